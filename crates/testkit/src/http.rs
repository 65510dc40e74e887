//! Just enough HTTP to ask a server on this machine: one request a connection, the whole answer read.

use serde_json::Value;
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than any answer takes that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The version of the model that gave it, if one did.
    pub version: Option<u32>,
    /// Its headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The header of that name, which is given in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Asks with a method, further header lines (`name: value`) and a body.
///
/// # Errors
/// When the server cannot be reached or breaks off.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|line| line.starts_with("host:")) {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for line in headers {
        head.push_str(&format!("{line}\r\n"));
    }
    head.push_str(&format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    stream.write_all(head.as_bytes())?;
    // A server that refuses a large body may close before it has read all of it; its answer still counts.
    let sent = stream.write_all(body);
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text)
        && text.is_empty()
    {
        return Err(sent.err().unwrap_or(error));
    }
    parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the answer has no end of its head",
        )
    })
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let version = headers.iter().find(|(name, _)| name == "mainspan-version");
    Some(Answer {
        status,
        version: version.and_then(|(_, value)| value.parse().ok()),
        headers,
        body: body.to_owned(),
    })
}

/// A connection that is kept, as most clients keep theirs.
pub struct Connection {
    stream: TcpStream,
    closes: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            closes: false,
        })
    }

    /// Posts JSON and reads the whole answer, which must say how long it is.
    ///
    /// # Errors
    /// When the server breaks off, or does not say how long its answer is.
    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut text = Vec::new();
        let mut whole = None;
        while whole.is_none_or(|whole| text.len() < whole) {
            let mut more = [0; 4096];
            match self.stream.read(&mut more)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => text.extend_from_slice(&more[..read]),
            }
            whole = whole.or_else(|| length(&text));
        }
        let text = String::from_utf8_lossy(&text);
        let answer = parse(&text).ok_or(io::ErrorKind::InvalidData)?;
        self.closes = answer.header("connection") == Some("close");
        Ok(answer)
    }

    /// Whether the server has said that it closes.
    pub fn closes(&self) -> bool {
        self.closes
    }
}

/// How long an answer is, head and body, once its head is there.
fn length(text: &[u8]) -> Option<usize> {
    let head = text.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let answer = parse(&String::from_utf8_lossy(&text[..head]))?;
    let body: usize = answer.header("content-length")?.parse().ok()?;
    Some(head + body)
}
