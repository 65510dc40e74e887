//! Clients that mean harm, or are broken, beside one that does not: a thousand that never finish their requests, heads
//! of 100 MB, connections half closed, HTTP/2 streams opened and taken back at once. The gateway keeps its memory bound,
//! lets go of what it can, and answers the good client every time.

use crate::{
    traffic::Client,
    world::{PROJECT, World},
};
use std::{
    collections::HashSet,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};
use testkit::{until, until_or};

/// Connections that never finish a request.
const SLOW: usize = 1000;
/// What a head is made of until the gateway has enough.
const HEAD: usize = 100 << 20;
/// What all of it together may cost the gateway: 64 KiB of head for each connection, at the most.
const MOST: u64 = 64 << 20;
/// Streams opened and taken back, if the gateway lets that happen.
const RESETS: usize = 20_000;
/// The gateway has ended a connection long before.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn hostile_clients_cost_the_others_nothing() {
    let world = World::applied(PROJECT);
    world.ship(1.0);
    world.answers("/delay", 1);
    let address = world.product.data().unwrap();
    let mut client = Client::new(address);
    client.start();
    until("some answers", || {
        (client.report().0.answered > 200).then_some(())
    });
    let gateway = world.product.pid("gateway").unwrap();
    let (before, files) = (memory(gateway, "VmRSS"), open_files(gateway));

    let mut slow: Vec<_> = (0..SLOW).map(|n| Slow::begin(address, n)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| long_head(address));
        scope.spawn(|| long_head_of_two(address));
        scope.spawn(|| half_closed(address));
        for _ in 0..4 {
            scope.spawn(|| rapid_resets(address));
        }
        for _ in 0..20 {
            slow.iter_mut().for_each(Slow::go_on);
            std::thread::park_timeout(Duration::from_millis(50));
        }
    });
    let held = connections(gateway, address.port());
    assert!(held >= SLOW, "they are still there, not {held}");
    let seen = client.report().0.answered;
    until("answers beside them", || {
        (client.report().0.answered > seen + 200).then_some(())
    });
    drop(slow);
    until_or(
        || format!("{} files to be closed", open_files(gateway) - files),
        || (open_files(gateway) < files + 20).then_some(()),
    );
    client.stop();
    client.assert_no_failure();
    let cost = memory(gateway, "VmHWM").saturating_sub(before);
    println!("memory beyond {before}: {cost}, {:?}", client.report().0);
    assert!(cost < MOST, "{cost} bytes");
    assert_eq!(world.product.pid("gateway"), Some(gateway));
}

/// A connection on which a request comes a line, or a byte, at a time.
struct Slow {
    stream: TcpStream,
    with: &'static [u8],
}

impl Slow {
    fn begin(address: SocketAddr, number: usize) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let (head, with): (&[u8], &[u8]) = if number.is_multiple_of(2) {
            (
                b"POST /delay HTTP/1.1\r\nhost: localhost\r\n",
                b"x-a: b\r\n",
            )
        } else {
            let head = b"POST /delay HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n";
            (head, b" ")
        };
        stream.write_all(head).unwrap();
        Slow { stream, with }
    }

    fn go_on(&mut self) {
        // It may have been closed: that is the gateway's right.
        let _ = self.stream.write_all(self.with);
    }
}

/// Sends until the gateway has closed; answers how much it took, and what it said.
fn pour(mut stream: TcpStream, part: &[u8]) -> (usize, Vec<u8>) {
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut sent = 0;
    while sent < HEAD {
        match stream.write(part) {
            Ok(more) => sent += more,
            Err(error) => {
                assert!(!is_late(&error), "neither read nor closed");
                break;
            }
        }
    }
    let said = rest(stream);
    (sent, said)
}

/// What comes until the end.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        assert!(!is_late(&error), "not closed");
    }
    said
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn long_head(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"POST /delay HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    let line = [b"x-filler: ", &[b'a'; 8000][..], b"\r\n"].concat();
    let (sent, _) = pour(stream, &line);
    assert!(sent < HEAD, "it took all of it");
    // One line without an end.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /").unwrap();
    let (sent, _) = pour(stream, &[b'a'; 8192]);
    assert!(sent < HEAD, "it took all of it");
}

fn long_head_of_two(address: SocketAddr) {
    let mut stream = begin_two(address);
    stream.write_all(&frame(1, 0, 1, &GET)).unwrap();
    // A literal header, never indexed, with as long a value as fits.
    let value = [&[0x10, 3][..], b"x-a", &[0x7f, 0x81, 0x7f], &[b'a'; 16384]].concat();
    let (sent, _) = pour(stream, &frame(9, 0, 1, &value[..16384]));
    assert!(sent < HEAD, "it took all of it");
}

fn half_closed(address: SocketAddr) {
    let request = b"POST /delay HTTP/1.1\r\nhost: localhost\r\ncontent-length: 18\r\n\r\n{\"dep_delay\": 1.0}";
    let parts: [&[u8]; 4] = [b"", &request[..30], &request[..70], request];
    for number in 0..200 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(parts[number % parts.len()]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // Answered or not, it ends.
        rest(stream);
    }
}

fn rapid_resets(address: SocketAddr) {
    let mut stream = begin_two(address);
    for number in 0..RESETS as u32 {
        let id = 2 * number + 1;
        let cancel = 8_u32.to_be_bytes();
        let both = [frame(1, 4 | 1, id, &GET), frame(3, 0, id, &cancel)].concat();
        if stream.write_all(&both).is_err() {
            return;
        }
    }
    // It had enough of it long ago, and said so.
    let said = rest(stream);
    let goes_away = said.windows(9).any(|head| head[3..5] == [7, 0]);
    assert!(goes_away, "{RESETS} resets and no word");
}

/// `GET /`, compressed: all of it is in the table that everybody knows, but for the authority.
const GET: [u8; 14] = *b"\x82\x84\x86\x41\x09localhost";

fn begin_two(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let begin = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &frame(4, 0, 0, &[]),
    ]
    .concat();
    stream.write_all(&begin).unwrap();
    stream
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// Bytes of a process's memory.
fn memory(pid: u32, which: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(which)).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes << 10
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Established TCP connections that a process has at a port of its own.
fn connections(pid: u32, port: u16) -> usize {
    // Columns: number, local address, remote one, state, …, and the tenth the inode.
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let (at, established) = (format!(":{port:04X}"), "01");
    let inodes: HashSet<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|line| line.len() > 9 && line[1].ends_with(&at) && line[3] == established)
        .map(|line| format!("socket:[{}]", line[9]))
        .collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // A file may be closed meanwhile.
    let targets = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    targets
        .filter(|target| inodes.contains(&*target.to_string_lossy()))
        .count()
}
