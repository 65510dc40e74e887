//! Both halves, with small and large messages, and whom they wake.

use std::future::poll_fn;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::*;

/// Nothing here takes as long unless it is broken.
const LONG: Duration = Duration::from_secs(30);

fn pair() -> ((Reader, Writer), (Reader, Writer)) {
    let (one, other) = UnixStream::pair().unwrap();
    (halves(one).unwrap(), halves(other).unwrap())
}

async fn send(writer: &mut Writer, all: &mut BytesMut) {
    timeout(LONG, writer.write_all(all)).await.unwrap().unwrap();
    assert!(all.is_empty());
}

async fn read_to_end(mut reader: Reader) -> Vec<u8> {
    let mut all = BytesMut::new();
    while timeout(LONG, reader.read(&mut all)).await.unwrap().unwrap() > 0 {}
    all.to_vec()
}

#[tokio::test]
async fn what_is_sent_comes_whole_and_in_order_though_it_is_more_than_there_is_room_for() {
    let ((_, mut writer), (reader, _other)) = pair();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let writing = async {
        let (head, rest) = sent.split_at(3);
        for part in [head, rest] {
            let mut part = BytesMut::from(part);
            send(&mut writer, &mut part).await;
        }
        writer.shutdown().unwrap();
    };
    let ((), got) = tokio::join!(writing, read_to_end(reader));
    assert!(got == sent);
}

#[tokio::test]
async fn a_write_that_is_given_up_sends_nothing_twice() {
    let ((_, mut writer), (reader, _other)) = pair();
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 241) as u8).collect();
    let mut left = BytesMut::from(&sent[..]);
    // Polled once: it sends what there is room for.
    let first = poll_fn(|context| {
        let mut all = pin!(writer.write_all(&mut left));
        assert!(all.as_mut().poll(context).is_pending());
        Poll::Ready(())
    });
    first.await;
    assert!(!left.is_empty() && left.len() < sent.len());
    let rest = async {
        send(&mut writer, &mut left).await;
        writer.shutdown().unwrap();
    };
    let ((), got) = tokio::join!(rest, read_to_end(reader));
    assert!(got == sent);
}

#[tokio::test]
async fn the_end_and_a_reader_that_is_gone_are_seen() {
    let ((_one, mut writer), (reader, other)) = pair();
    drop((reader, other));
    let mut sent = BytesMut::from(&b"x"[..]);
    assert_eq!(
        writer.write(&mut sent).await.unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    let ((mut reader, _one), (other, writer)) = pair();
    drop((other, writer));
    let mut got = BytesMut::new();
    assert_eq!(
        timeout(LONG, reader.read(&mut got)).await.unwrap().unwrap(),
        0
    );
}

/// What the kernel is asked to tell of a descriptor, by those that wait for many at a time.
fn asked(descriptor: RawFd) -> Vec<u32> {
    let mut asked = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo").unwrap() {
        // Another test's may have been closed meanwhile.
        let said = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        for line in said.lines().filter(|line| line.starts_with("tfd:")) {
            let words: Vec<_> = line.split_whitespace().collect();
            if words[1] == descriptor.to_string() {
                asked.push(u32::from_str_radix(words[3], 16).unwrap());
            }
        }
    }
    asked
}

/// The other side reads what was sent: nobody asks to be told of that, unless there was no room.
#[tokio::test]
async fn nobody_is_woken_because_the_other_side_reads() {
    let ((reader, mut writer), (_others, _back)) = pair();
    let (comes, goes) = (reader.0.as_raw_fd(), writer.0.as_raw_fd());
    let (input, output) = (0x1, 0x4);
    // The runtime has more than one descriptor of what it waits with.
    let comes: Vec<_> = asked(comes)
        .into_iter()
        .map(|mask| mask & (input | output))
        .collect();
    assert!(
        !comes.is_empty() && comes.iter().all(|mask| *mask == input),
        "{comes:x?}"
    );
    writer
        .write_all(&mut BytesMut::from(&b"question"[..]))
        .await
        .unwrap();
    assert!(asked(goes).is_empty());
}
