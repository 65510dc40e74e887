//! Files through the proxy: the same bytes kept once, broken uploads that leave nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use testkit::Server;

const PATH: &str = "/p/flights/api/2.0/mlflow-artifacts/artifacts";

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).unwrap()
}

fn put_head(server: &Server, name: &str, length: usize) -> String {
    let host = server.address();
    format!(
        "PUT {PATH}/{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// The status line and everything after it, in `answer` bytes at most.
fn get(server: &Server, name: &str) -> (String, u64, u64) {
    let mut stream = connect(server);
    let host = server.address();
    write!(
        stream,
        "GET {PATH}/{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let (mut head, mut sum, mut size) = (Vec::new(), 0, 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        let mut bytes = &buffer[..read];
        if !head.ends_with(b"\r\n\r\n") {
            let end = bytes
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .map_or(bytes.len(), |at| at + 4);
            head.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end..];
        }
        size += bytes.len() as u64;
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    (String::from_utf8_lossy(&head).into_owned(), size, sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_twice_is_kept_once() {
    let server = Server::start().await;
    for name in ["1/r/artifacts/one.bin", "1/s/artifacts/two.bin"] {
        let mut stream = connect(&server);
        stream
            .write_all(put_head(&server, name, 9).as_bytes())
            .unwrap();
        stream.write_all(b"the bytes").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let blobs = store::Blobs::local(&store::StateDir::create(&server.options().state_dir).unwrap())
        .unwrap();
    assert_eq!(
        blobs.list().await.unwrap(),
        [store::Digest::of(b"the bytes")]
    );
    // One name goes, and the other's bytes stay.
    let host = server.address();
    let mut stream = connect(&server);
    let gone = format!(
        "DELETE {PATH}/1/r/artifacts/one.bin HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(gone.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    assert_eq!(get(&server, "1/s/artifacts/two.bin").1, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = Server::start().await;
    let mut stream = connect(&server);
    stream
        .write_all(put_head(&server, "1/r/artifacts/half.bin", 1 << 20).as_bytes())
        .unwrap();
    stream.write_all(&[7; 1000]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    // The server sees the end and answers or closes; either way it is done with the upload.
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (head, _, _) = get(&server, "1/r/artifacts/half.bin");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let blobs = server.options().state_dir.join("blobs/tmp");
    assert_eq!(
        std::fs::read_dir(blobs).unwrap().count(),
        0,
        "unfinished files"
    );
}
