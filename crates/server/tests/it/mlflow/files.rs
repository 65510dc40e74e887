//! Files through the proxy: large ones with flat memory, broken uploads that leave nothing.

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

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_up_and_down_with_flat_memory() {
    const SIZE: usize = 300 << 20;
    let server = Server::start().await;
    let piece: Vec<u8> = (0..1 << 20).map(|n| (n % 251) as u8).collect();
    let before = resident();
    let mut stream = connect(&server);
    stream
        .write_all(put_head(&server, "1/r/artifacts/big.bin", SIZE).as_bytes())
        .unwrap();
    let mut most = 0;
    for _ in 0..SIZE / piece.len() {
        stream.write_all(&piece).unwrap();
        most = most.max(resident());
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (head, size, sum) = get(&server, "1/r/artifacts/big.bin");
    most = most.max(resident());
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("nosniff"),
        "{head}"
    );
    let expect =
        piece.iter().map(|byte| u64::from(*byte)).sum::<u64>() * (SIZE / piece.len()) as u64;
    assert_eq!((size, sum), (SIZE as u64, expect));
    assert!(most < before + (160 << 20), "from {before} to {most} bytes");
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
