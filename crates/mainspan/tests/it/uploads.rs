//! Killing the server while a file comes in parts: the upload goes on afterwards, or is given up; nothing half of it is ever
//! to be seen, and nothing of it stays.
//!
//! `MAINSPAN_CRASH_ROUNDS` makes it longer.

use crate::world::BINARY;
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};
use testkit::{
    Product,
    http::{self, Answer},
    product::kill,
    until,
};

const AT: &str = "/p/crash/api/2.0/mlflow-artifacts";
/// Kills of a plain run while uploads are completed.
const ROUNDS: usize = 8;

/// An upload that was begun: its file, its id, and where each part goes with which headers.
struct Upload {
    name: String,
    id: String,
    parts: Vec<(String, Vec<String>)>,
}

impl Upload {
    fn begin(server: SocketAddr, name: &str, parts: usize) -> Self {
        let body = json!({ "path": name, "num_parts": parts }).to_string();
        let path = format!("{AT}/mpu/create/crash");
        let made = http::ask(server, "POST", &path, &[], body.as_bytes()).unwrap();
        assert_eq!(made.status, 200, "{}", made.body);
        let made = made.json();
        let part = |credential: &Value| {
            let url = credential["url"].as_str().unwrap();
            let path = url.split_once("://").unwrap().1;
            let headers = credential["headers"].as_object().into_iter().flatten();
            let line =
                |(name, value): (&String, &Value)| format!("{name}: {}", value.as_str().unwrap());
            (
                path[path.find('/').unwrap()..].to_owned(),
                headers.map(line).collect(),
            )
        };
        let credentials = made["credentials"].as_array().unwrap();
        Upload {
            name: name.to_owned(),
            id: made["upload_id"].as_str().unwrap().to_owned(),
            parts: credentials.iter().map(part).collect(),
        }
    }

    /// Sends one part, from 1; its ETag.
    fn send(&self, server: SocketAddr, number: usize, bytes: &[u8]) -> io::Result<String> {
        let (path, headers) = &self.parts[number - 1];
        let sent = http::ask(server, "PUT", path, headers, bytes)?;
        assert_eq!(sent.status, 200, "{}", sent.body);
        Ok(sent.header("etag").unwrap().to_owned())
    }

    /// Sends half of a part, and leaves the rest for later.
    fn half_of(&self, server: SocketAddr, number: usize, bytes: &[u8]) -> TcpStream {
        let (path, headers) = &self.parts[number - 1];
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let mut stream = TcpStream::connect(server).unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: {server}\r\n{headers}content-length: {}\r\n\r\n",
            bytes.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
        stream
    }

    /// Says that these are all parts.
    fn complete(&self, server: SocketAddr, tags: &[String]) -> io::Result<Answer> {
        let parts = tags.iter().zip(1..);
        let parts: Vec<_> = parts
            .map(|(tag, number)| json!({ "part_number": number, "etag": tag }))
            .collect();
        self.end(server, "complete", json!(parts))
    }

    fn abort(&self, server: SocketAddr) -> io::Result<Answer> {
        self.end(server, "abort", json!([]))
    }

    fn end(&self, server: SocketAddr, how: &str, parts: Value) -> io::Result<Answer> {
        let path = format!("{AT}/mpu/{how}/crash");
        let mut body = json!({ "path": self.name, "upload_id": self.id });
        if how == "complete" {
            body["parts"] = parts;
        }
        http::ask(server, "POST", &path, &[], body.to_string().as_bytes())
    }

    /// The file, if anybody can see one; and whether a listing says the same.
    fn file(&self, server: SocketAddr) -> Option<String> {
        let path = format!("{AT}/artifacts/crash/{}", self.name);
        let found = http::ask(server, "GET", &path, &[], b"").unwrap();
        let listing = format!("{AT}/artifacts?path=crash");
        let listed = http::ask(server, "GET", &listing, &[], b"").unwrap().json();
        let mut files = listed["files"].as_array().into_iter().flatten();
        let is_listed = files.any(|file| file["path"] == self.name.as_str());
        assert_eq!(found.status, if is_listed { 200 } else { 404 }, "{path}");
        is_listed.then_some(found.body)
    }
}

/// Kills the server, and waits until the next one answers.
fn restart(product: &Product) {
    let old = until("the server's pid", || product.pid("server"));
    kill(old);
    back(product, old);
}

/// Waits until a server answers that is not that one.
fn back(product: &Product, old: u32) {
    until("the server to come back", || {
        product.pid("server").filter(|new| *new != old)?;
        let server = product.control().ok()?;
        http::ask(server, "GET", "/health", &[], b"").ok()
    });
}

/// Bytes that tell parts and uploads apart.
fn bytes(of: &str, length: usize) -> Vec<u8> {
    of.bytes().cycle().take(length).collect()
}

/// The files of an upload's parts, and of what was never finished.
fn left(state: &Path, upload: &Upload) -> Vec<String> {
    let blobs = state.join("blobs");
    let mut names = Vec::new();
    for folder in [blobs.join("parts").join(&upload.id), blobs.join("tmp")] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        names.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    names
}

#[test]
fn an_upload_goes_on_after_kills_between_its_parts() {
    let product = Product::up(BINARY);
    let server = product.control().unwrap();
    let parts: Vec<_> = ["one ", "two ", "three "]
        .iter()
        .map(|of| bytes(of, 6 << 20))
        .collect();
    let whole = String::from_utf8(parts.concat()).unwrap();
    let upload = Upload::begin(server, "between.bin", 3);
    restart(&product);
    let first = upload.send(server, 1, &parts[0]).unwrap();
    restart(&product);
    assert_eq!(upload.file(server), None);
    // A part that is on its way when the server ends is sent again.
    let half = upload.half_of(server, 2, &parts[1]);
    let unfinished = product.state().join("blobs/tmp");
    until("the part to be on its way", || {
        fs::read_dir(&unfinished).ok()?.flatten().next()
    });
    restart(&product);
    drop(half);
    let first_alone = left(product.state(), &upload);
    assert_eq!(first_alone.len(), 1, "{first_alone:?}");
    let second = upload.send(server, 2, &parts[1]).unwrap();
    let third = upload.send(server, 3, &parts[2]).unwrap();
    restart(&product);
    assert_eq!(upload.file(server), None);
    let tags = [first, second, third];
    assert_eq!(upload.complete(server, &tags).unwrap().status, 200);
    restart(&product);
    assert!(upload.file(server).is_some_and(|file| file == whole));
    // Whoever did not hear of it asks again, and nobody can give up what is complete.
    assert_eq!(upload.complete(server, &tags).unwrap().status, 200);
    assert_eq!(upload.abort(server).unwrap().status, 404);
    assert!(upload.file(server).is_some_and(|file| file == whole));
    assert_eq!(left(product.state(), &upload), [""; 0]);
}

#[test]
fn an_upload_is_given_up_after_a_kill() {
    let product = Product::up(BINARY);
    let server = product.control().unwrap();
    let upload = Upload::begin(server, "given-up.bin", 2);
    let tag = upload.send(server, 1, b"half of it").unwrap();
    restart(&product);
    assert_eq!(left(product.state(), &upload).len(), 1);
    assert_eq!(upload.abort(server).unwrap().status, 200);
    assert_eq!(left(product.state(), &upload), [""; 0]);
    restart(&product);
    assert_eq!(upload.file(server), None);
    assert_eq!(upload.complete(server, &[tag]).unwrap().status, 404);
    let (path, headers) = &upload.parts[1];
    let late = http::ask(server, "PUT", path, headers, b"the rest").unwrap();
    assert_eq!(late.status, 404, "{}", late.body);
    assert_eq!(left(product.state(), &upload), [""; 0]);
}

#[test]
fn a_kill_while_an_upload_is_completed_shows_all_of_it_or_nothing() {
    let rounds = std::env::var("MAINSPAN_CRASH_ROUNDS")
        .ok()
        .and_then(|text| text.parse::<usize>().ok());
    let rounds = rounds.map_or(ROUNDS, |rounds| ROUNDS * rounds);
    let product = Product::up(BINARY);
    let server = product.control().unwrap();
    let mut cut = 0;
    for round in 0..rounds {
        let parts: Vec<_> = (0..2)
            .map(|part| bytes(&format!("{round}-{part} "), 3 << 20))
            .collect();
        let whole = String::from_utf8(parts.concat()).unwrap();
        let upload = Upload::begin(server, &format!("complete-{round}.bin"), 2);
        let send = |number: usize| upload.send(server, number, &parts[number - 1]).unwrap();
        let tags = [send(1), send(2)];
        let old = product.pid("server").unwrap();
        let answer = std::thread::scope(|scope| {
            let completing = scope.spawn(|| upload.complete(server, &tags));
            // A moment that is another one in each round, from the first byte to after the last.
            std::thread::park_timeout(Duration::from_millis(1 << (round % ROUNDS)));
            kill(old);
            completing.join().unwrap()
        });
        back(&product, old);
        let acknowledged = answer.is_ok_and(|answer| answer.status == 200);
        cut += usize::from(!acknowledged);
        let seen = upload.file(server);
        assert!(
            seen.as_ref().is_none_or(|file| *file == whole),
            "half a file"
        );
        assert!(
            seen.is_some() || !acknowledged,
            "acknowledged, and not there"
        );
        if round % 2 == 0 {
            assert_eq!(upload.complete(server, &tags).unwrap().status, 200);
            assert!(upload.file(server).is_some_and(|file| file == whole));
        } else {
            let expect = if seen.is_some() { 404 } else { 200 };
            assert_eq!(upload.abort(server).unwrap().status, expect);
            assert_eq!(upload.file(server), seen);
        }
        // What is complete may keep its parts when nobody was left to drop them; retention does it.
        if seen.is_none() {
            assert_eq!(left(product.state(), &upload), [""; 0], "round {round}");
        }
    }
    assert!(cut > 0, "no kill came before an answer");
}
