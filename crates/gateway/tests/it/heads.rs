//! What the heads of answers cost a connection of HTTP/2, read from the bytes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::engine::{Engine, plus_one};
use crate::world::{LONG, World, arm, delay};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_OF_STREAM: u8 = 1;
const END_OF_HEAD: u8 = 4;

/// `POST /delay` of localhost, over plain HTTP.
const POST: &[u8] = b"\x83\x86\x44\x06/delay\x41\x09localhost";
/// `x-request-id` in HPACK's Huffman code, behind the byte of a field that is never to be
/// remembered (RFC 7541, section 6.2.3) and the name's length.
const NEVER_REMEMBERED: [u8; 11] = *b"\x10\x89\xf2\xb5\x85\xed\x69\x50\x95\x8d\x27";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// The fields of the next answer, compressed.
async fn head(stream: &mut TcpStream) -> Vec<u8> {
    loop {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.unwrap();
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if frame[3] == HEADERS {
            return payload;
        }
    }
}

#[tokio::test]
async fn ids_are_not_kept_in_the_table_of_a_connection() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    let route = delay(vec![arm(3, 1.0, &[&socket])]);
    world.route(1, vec![route], &[&socket]).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
    stream.write_all(&begin).await.unwrap();
    for id in [1, 3] {
        let post = [
            frame(HEADERS, END_OF_HEAD, id, POST),
            frame(DATA, END_OF_STREAM, id, b"{\"x\":1}"),
        ]
        .concat();
        stream.write_all(&post).await.unwrap();
        let head = tokio::time::timeout(LONG, head(&mut stream)).await.unwrap();
        let mut names = head.windows(NEVER_REMEMBERED.len());
        assert!(names.any(|name| name == NEVER_REMEMBERED), "{head:x?}");
    }
}
