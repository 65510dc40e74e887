//! A replica's socket from the asking side, for whoever is not the gateway: a few requests at a time, each answered or not.

use super::captured::Request;
use bytes::BytesMut;
use compare::{Answered, Side};
use inference::frame::{self, Reply};
use std::{collections::HashMap, io, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

/// How long a handful of requests may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a replica.
pub(super) struct Connection {
    stream: UnixStream,
    input: BytesMut,
}

/// The replica went away, or hangs: nothing more can be asked on this connection.
#[derive(Debug)]
pub(super) struct Gone;

impl Connection {
    /// Connects, once the replica listens.
    pub(super) async fn open(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket).await?,
            input: BytesMut::new(),
        })
    }

    /// Asks a handful of requests at once, and takes their answers in the same order. When the replica goes away or takes
    /// too long, those without an answer say so, and the connection is of no more use.
    pub(super) async fn ask(&mut self, requests: &[Request]) -> (Vec<Side>, Result<(), Gone>) {
        let mut sides: HashMap<u64, Side> = HashMap::new();
        let mut out = BytesMut::new();
        let mut waiting = 0;
        for (id, request) in (0_u64..).zip(requests) {
            let question = frame::Request::Infer(request.wire, request.body.clone());
            match frame::encode_request(id, &question, &mut out) {
                Ok(()) => waiting += 1,
                Err(error) => drop(sides.insert(id, Err(error.to_string()))),
            }
        }
        let exchanged = timeout(PATIENCE, self.exchange(&out, waiting, &mut sides)).await;
        let (why, ended) = match exchanged {
            Ok(Ok(())) => (String::new(), Ok(())),
            Ok(Err(error)) => {
                let why = format!("its engine went away with this request under way ({error})");
                (why, Err(Gone))
            }
            Err(_) => (format!("no answer within {PATIENCE:?}"), Err(Gone)),
        };
        let side = |id: u64| sides.remove(&id).unwrap_or_else(|| Err(why.clone()));
        ((0..requests.len() as u64).map(side).collect(), ended)
    }

    async fn exchange(
        &mut self,
        out: &[u8],
        mut waiting: usize,
        sides: &mut HashMap<u64, Side>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = self.stream.split();
        let input = &mut self.input;
        let write = async {
            writer.write_all(out).await?;
            std::future::pending::<io::Result<()>>().await
        };
        let read = async {
            while waiting > 0 {
                if let Some((id, reply)) = frame::decode_reply(input).map_err(io::Error::other)? {
                    waiting -= usize::from(sides.insert(id, side_of(reply)).is_none());
                } else if reader.read_buf(input).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok(())
        };
        // A replica that does not read while its answers are not read would wait for ever.
        tokio::select! {
            broken = write => broken,
            done = read => done,
        }
    }
}

fn side_of(reply: Reply) -> Side {
    match reply {
        Reply::Answer(answer) => Ok(Answered {
            status: answer.status,
            json: answer.json,
            body: answer.body,
        }),
        Reply::Description(_) | Reply::Pong => Err("an answer of another kind".to_owned()),
    }
}
