//! What a browser may send us: Host and Origin, checked against DNS rebinding and cross-site requests.
//!
//! A page on another site can make a browser send requests to `127.0.0.1`, or rebind its own name to it. The first
//! shows in `Origin`, the second in `Host`.

/// The names this server answers to.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Host names beyond loopback's that the operator has configured, lower case, without port.
    pub hosts: Vec<String>,
}

/// A request that must not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// `Host` names somebody else: 421.
    #[error(
        "host `{0}` is not this server's name: use localhost, or start the server with `--host-name {0}`"
    )]
    Host(String),
    /// `Origin` is another site: 403.
    #[error("requests from the origin `{0}` are refused")]
    Origin(String),
}

/// Checks the two headers of one request (`None` where absent).
///
/// # Errors
/// [`Foreign`] names the header that gave the caller away.
pub fn check(host: Option<&str>, origin: Option<&str>, names: &Names) -> Result<(), Foreign> {
    if let Some(host) = host
        && !known(name_of(host), names)
    {
        return Err(Foreign::Host(name_of(host).to_owned()));
    }
    if let Some(origin) = origin {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if !rest.is_some_and(|rest| known(name_of(rest), names)) {
            return Err(Foreign::Origin(origin.to_owned()));
        }
    }
    Ok(())
}

fn known(name: &str, names: &Names) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || names.hosts.contains(&name)
}

fn name_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or(authority);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins() {
        let names = Names {
            hosts: vec!["ml.example".into()],
        };
        let cases = [
            (None, None, true),
            (Some("localhost:7070"), None, true),
            (Some("127.0.0.1"), Some("http://127.0.0.1:7070"), true),
            (Some("[::1]:7070"), None, true),
            (Some("ML.example"), None, true),
            (Some("evil.example:7070"), None, false),
            (Some("localhost.evil.example"), None, false),
            (Some("127.0.0.1:7070"), Some("https://evil.example"), false),
            (Some("127.0.0.1:7070"), Some("null"), false),
            (
                Some("127.0.0.1:7070"),
                Some("http://localhost.evil.example"),
                false,
            ),
        ];
        for (host, origin, ok) in cases {
            assert_eq!(
                check(host, origin, &names).is_ok(),
                ok,
                "{host:?} {origin:?}"
            );
        }
    }
}
