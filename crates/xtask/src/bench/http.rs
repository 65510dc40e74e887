//! Just enough HTTP to ask a server on this machine: one request a connection, the whole answer read.

use anyhow::Context as _;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than any answer takes, also that of a large search to MLflow.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// An answer: status, the version of the model that gave it, and the body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Option<u32>,
    pub(super) body: String,
}

/// Asks; `body` is sent as JSON.
pub(super) fn ask(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    stream.write_all(request(address, path, token, body).as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    parse(&String::from_utf8_lossy(&text))
}

fn request(address: SocketAddr, path: &str, token: Option<&str>, body: Option<&Value>) -> String {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    if let Some(token) = token {
        text.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    text.push_str(&format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    text
}

fn parse(text: &str) -> anyhow::Result<Answer> {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("the answer has no status")?;
    let version = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("mainspan-version"))
        .and_then(|(_, value)| value.trim().parse().ok());
    Ok(Answer {
        status: status.parse()?,
        version,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse("HTTP/1.1 200 OK\r\nMainspan-Version: 7\r\n\r\n{}").unwrap();
        assert_eq!(
            (answer.status, answer.version, answer.body.as_str()),
            (200, Some(7), "{}")
        );
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
    }
}
