//! A client that keeps its connection, as MLflow's does: many requests one after the other.

use super::http::TIMEOUT;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

/// One kept connection.
pub(super) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    /// A header with the end of its line, or nothing.
    authorization: String,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A question whose whole text is its path.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Request {
            method: "GET",
            path: path.into(),
            body: Vec::new(),
        }
    }

    /// A message.
    pub(super) fn post(path: impl Into<String>, body: &Value) -> Self {
        Request {
            method: "POST",
            path: path.into(),
            body: body.to_string().into_bytes(),
        }
    }
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            address,
            stream: BufReader::new(stream),
            authorization: String::new(),
        })
    }

    /// Says with every request who asks.
    pub(super) fn signed(mut self, authorization: Option<&str>) -> Self {
        self.authorization =
            authorization.map_or_else(String::new, |value| format!("authorization: {value}\r\n"));
        self
    }

    /// Sends and waits for the answer's body; another status than 200 is an error.
    pub(super) fn send(&mut self, request: &Request) -> anyhow::Result<Vec<u8>> {
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            request.method,
            request.path,
            self.address,
            self.authorization,
            request.body.len()
        );
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&request.body);
        self.stream.get_mut().write_all(&whole)?;
        let (status, length) = self.head()?;
        let body = match length {
            Some(length) => self.exactly(length)?,
            None => self.chunks()?,
        };
        if status != 200 {
            let told = String::from_utf8_lossy(&body);
            bail!("{} {}: {status} {told}", request.method, request.path);
        }
        Ok(body)
    }

    /// The same, with a JSON answer.
    pub(super) fn json(&mut self, request: &Request) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.send(request)?)?)
    }

    /// The status and, unless the body comes in chunks, its length.
    fn head(&mut self) -> anyhow::Result<(u16, Option<usize>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = Some(0);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok((status, length));
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = None;
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }

    fn exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16)?;
            body.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}
