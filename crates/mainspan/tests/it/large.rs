//! Files far larger than the memory that the server may take for them.

use crate::world::BINARY;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};
use testkit::Product;

const PATH: &str = "/p/flights/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/big.bin";
/// What one transfer may add to the server's memory.
const MOST: u64 = 64 << 20;

/// A line of the process's status, in bytes: `VmRSS` is what it holds, `VmHWM` the most that it ever held.
fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let text = status
        .lines()
        .find_map(|text| text.strip_prefix(line))
        .unwrap();
    let kilobytes = text.trim_matches([':', ' ', '\t']).trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

/// Sends a request's head and answers the connection.
fn connect(product: &Product, method: &str, more: &str) -> TcpStream {
    let address = product.control().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("{method} {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn a_large_file_goes_up_and_down_with_flat_memory() {
    // `make test-long` says 5,120; that much room is needed for temporary files.
    let megabytes: u64 =
        std::env::var("MAINSPAN_FILE_MB").map_or(300, |text| text.parse().unwrap());
    let product = Product::up(BINARY);
    let pid = product.pid("server").unwrap();
    let before = memory(pid, "VmRSS");
    let piece: Vec<u8> = (0..1_u32 << 20).map(|n| (n % 251) as u8).collect();
    let length = format!("Content-Length: {}\r\n", megabytes << 20);
    let mut stream = connect(&product, "PUT", &length);
    for _ in 0..megabytes {
        stream.write_all(&piece).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut stream = connect(&product, "GET", "");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    let mut got = vec![0; piece.len()];
    for n in 0..megabytes {
        stream.read_exact(&mut got).unwrap();
        assert!(got == piece, "megabyte {n} is another");
    }
    assert_eq!(stream.read(&mut got).unwrap(), 0);
    let most = memory(pid, "VmHWM");
    assert!(most < before + MOST, "from {before} to {most} bytes");
}
