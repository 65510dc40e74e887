//! What is plain and what is not.

use super::*;

/// What `parse` makes of bytes, and what it leaves of them.
fn told(bytes: &[u8]) -> String {
    let mut buffer = BytesMut::from(bytes);
    match parse(&mut buffer) {
        Ok(Some(Head { request, length })) => {
            let headers = request.headers().iter();
            let lines: Vec<_> = headers
                .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
                .collect();
            let (method, uri, lines) = (request.method(), request.uri(), lines.join(","));
            format!(
                "{method} {uri} [{lines}] body {length}, left {}",
                buffer.len()
            )
        }
        Ok(None) => {
            assert_eq!(buffer, bytes, "nothing is taken");
            "more".to_owned()
        }
        Err(NotPlain) => {
            assert_eq!(buffer, bytes, "nothing is taken");
            "other".to_owned()
        }
    }
}

#[test]
fn a_plain_request_is_taken_with_its_lines() {
    let check = |text: &str, expect: &str| assert_eq!(told(text.as_bytes()), expect, "{text:?}");
    check(
        "POST /v2/models/a/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET",
        "POST /v2/models/a/infer [host=localhost,content-length=3] body 3, left 6",
    );
    check(
        "GET /v2?x=1 HTTP/1.1\r\nhost:b\r\nX-Own:  two words \r\nx-own: c\r\nConnection: Keep-Alive\r\n\r\n",
        "GET /v2?x=1 [host=b,x-own=two words,x-own=c,connection=Keep-Alive] body 0, left 0",
    );
    check("GET / HTTP/1.1\r\n\r\n", "GET / [] body 0, left 0");
}

#[test]
fn half_a_head_waits_for_the_rest() {
    let whole = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
    for end in 0..whole.len() {
        assert_eq!(told(&whole[..end]), "more", "{end} bytes");
    }
    assert_eq!(
        told(whole),
        "POST /a [host=x,content-length=1] body 1, left 0"
    );
}

#[test]
fn what_needs_more_knowledge_is_left_to_hyper() {
    let line = |line: &str| format!("POST /a HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
    let lines = [
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Connection: close",
        "Connection: keep-alive, upgrade",
        "Upgrade: h2c",
        "TE: trailers",
        "Trailer: x",
        "Content-Type: application/grpc+proto",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 1, 1",
        "Content-Length:",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 300000",
        "Content-Length: 1\r\nContent-Length: 1",
        "no colon",
        " folded: x",
        "b\u{e4}d: x",
        "x: a\0b",
    ];
    for text in lines {
        assert_eq!(told(line(text).as_bytes()), "other", "{text:?}");
    }
    let requests = [
        "HEAD / HTTP/1.1\r\n\r\n",
        "PUT / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET a HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n",
        "\0\0",
        "{}",
    ];
    for text in requests {
        assert_eq!(told(text.as_bytes()), "other", "{text:?}");
    }
}

#[test]
fn long_heads_are_left_to_hyper() {
    let lines = |count: usize| {
        let lines: String = (0..count).map(|at| format!("x-{at}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\n{lines}\r\n")
    };
    assert!(told(lines(MOST_LINES).as_bytes()).starts_with("GET / ["));
    assert_eq!(told(lines(MOST_LINES + 1).as_bytes()), "other");
    let long = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length));
    let rest = long(0).len();
    assert!(told(long(MOST_HEAD - rest).as_bytes()).starts_with("GET /aaa"));
    assert_eq!(told(long(MOST_HEAD - rest + 1).as_bytes()), "other");
    let endless = format!("GET /{}", "a".repeat(MOST_HEAD));
    assert_eq!(told(endless.as_bytes()), "other");
}

#[test]
fn fuzz_heads() {
    let post =
        b"POST /v2/models/a/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET";
    let get =
        b"GET /v2?x=1 HTTP/1.1\r\nhost:b\r\nX-Own:  two words \r\nConnection: Keep-Alive\r\n\r\n";
    fuzz::run("heads", &[post, get], |bytes| {
        let mut buffer = BytesMut::from(bytes);
        let Ok(Some(head)) = parse(&mut buffer) else {
            assert_eq!(buffer, bytes, "nothing is taken");
            return false;
        };
        assert!(bytes.ends_with(&buffer), "the rest stays as it is");
        assert!(bytes[..bytes.len() - buffer.len()].ends_with(b"\n"));
        assert!(head.length <= MOST_BODY);
        // What decides where a request ends is either understood here, or not there.
        let headers = head.request.headers();
        assert!(!headers.contains_key(http::header::TRANSFER_ENCODING));
        assert!(headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
        true
    });
}
