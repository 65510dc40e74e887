//! A file on its way to a client: whole or a part of it, always as something to save and never as a page.
//!
//! Its entity tag is its digest, so that whoever goes on with a broken download gets the same bytes or all of them.

use super::failure::Failure;
use crate::{
    app::App,
    http::ranges::{Wanted, wanted},
};
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use mlflow::{Error, mime};
use store::{Artifact, Artifacts as _};

/// What of a request bears on how a file is sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
}

impl Asked {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bytes that are asked for; a condition that does not hold asks for all. A date is no condition that could
    /// hold: two files may be put within a second.
    fn wanted(&self, etag: &str, size: u64) -> Wanted {
        let holds = |tag: &str| tag == etag;
        match self.header(header::RANGE) {
            Some(range) if self.header(header::IF_RANGE).is_none_or(holds) => wanted(range, size),
            _ => Wanted::Whole,
        }
    }

    /// Whether the client has these very bytes.
    fn has(&self, etag: &str) -> bool {
        let known = self.header(header::IF_NONE_MATCH).unwrap_or_default();
        let mut tags = known.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    }
}

/// The file of that path.
pub(super) async fn send(
    app: &App,
    asked: &Asked,
    project: &str,
    path: &str,
) -> Result<Response, Failure> {
    let (project, wanted) = (project.to_owned(), path.to_owned());
    let found = app
        .store()
        .read(move |tx| match tx.artifact(&project, &wanted)? {
            Some(found) => Ok(Ok(found)),
            None => Ok(Err(tx.is_artifact_folder(&project, &wanted)?)),
        });
    match found.await? {
        Ok(artifact) => Ok(answer(app, asked, &artifact)),
        Err(true) => Err(Error::invalid(format!(
            "Artifact path refers to a directory, not a file: '{path}'"
        ))
        .into()),
        Err(false) => Err(Error::missing(format!("No such artifact: '{path}'")).into()),
    }
}

fn answer(app: &App, asked: &Asked, artifact: &Artifact) -> Response {
    let etag = format!("\"{}\"", artifact.digest.hex());
    let modified = artifact
        .created_at
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let size = artifact.size;
    if asked.has(&etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let (status, from, length) = match asked.wanted(&etag, size) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part { from, length } => (StatusCode::PARTIAL_CONTENT, from, length),
        Wanted::Beyond => {
            let range = format!("bytes */{size}");
            return (
                StatusCode::RANGE_NOT_SATISFIABLE,
                [(header::CONTENT_RANGE, range)],
            )
                .into_response();
        }
        Wanted::Malformed => {
            let why = "the Range header cannot be read: send `bytes=<first>-<last>`";
            return (StatusCode::BAD_REQUEST, why).into_response();
        }
    };
    let body = match status {
        // The router drops the body of an answer to HEAD; nothing should be read for it.
        _ if asked.method == Method::HEAD => Body::empty(),
        StatusCode::OK => Body::from_stream(app.blobs().read(&artifact.digest)),
        _ => Body::from_stream(app.blobs().read_part(&artifact.digest, from, length)),
    };
    let mut response = (status, body).into_response();
    describe(response.headers_mut(), artifact, length);
    let headers = response.headers_mut();
    set(headers, header::ETAG, &etag);
    set(headers, header::LAST_MODIFIED, &modified);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = from + length - 1;
        set(
            headers,
            header::CONTENT_RANGE,
            &format!("bytes {from}-{last}/{size}"),
        );
    }
    response
}

fn describe(headers: &mut HeaderMap, artifact: &Artifact, length: u64) {
    let name = artifact.path.rsplit('/').next().unwrap_or_default();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::CONTENT_TYPE, mime::of(name));
    // Whatever somebody uploaded must not run as a page of this server.
    set(headers, header::CONTENT_DISPOSITION, &disposition(name));
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        headers,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    );
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Nothing that is set here has characters that a header could not have.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// `Content-Disposition` with the file's name (RFC 6266), spelt out in ASCII for who knows no other.
fn disposition(name: &str) -> String {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let plain: String = name.chars().filter(char::is_ascii).collect();
    let shown = match plain.as_str() {
        "" => "download".to_owned(),
        plain if plain.chars().all(token) => plain.to_owned(),
        plain => format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    if name.is_ascii() {
        return format!("attachment; filename={shown}");
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "!#$&+-.^_`|~".contains(c) => encoded.push(c),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename={shown}; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_header() {
        for (name, expect) in [
            ("a.txt", "attachment; filename=a.txt"),
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            ("a\"b", "attachment; filename=\"a\\\"b\""),
            (
                "é.txt",
                "attachment; filename=.txt; filename*=UTF-8''%C3%A9.txt",
            ),
            (
                "日本",
                "attachment; filename=download; filename*=UTF-8''%E6%97%A5%E6%9C%AC",
            ),
        ] {
            assert_eq!(disposition(name), expect, "{name}");
        }
    }

    #[test]
    fn what_a_client_has_already() {
        let check = |value: &str, expect: bool| {
            let headers = [(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap())];
            let asked = Asked {
                method: Method::GET,
                headers: HeaderMap::from_iter(headers),
            };
            assert_eq!(asked.has("\"ab\""), expect, "{value}");
        };
        check("\"ab\"", true);
        check("\"x\", W/\"ab\"", true);
        check("*", true);
        check("\"a\"", false);
        check("ab", false);
    }
}
