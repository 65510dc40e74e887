//! The frames that gateway and engine exchange over one Unix socket.
//!
//! Little endian: `u32 len | u64 id | u8 kind | payload[len - 9]`, where `len` counts everything
//! after itself. The id multiplexes: replies may come in any order. The gateway encodes
//! [`Request`]s and decodes [`Reply`]s, the engine the other way round. Bodies are handed on
//! unparsed and uncopied. A frame that breaks the rules is an error after which the stream has no
//! known boundary, so the connection must be closed.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Which frames are understood, said in a description: from 2 on, [`Request::Cancel`]. One that says
/// nothing understands the first.
pub const EDITION: u32 = 2;
/// The most that `len` may say: 64 MiB.
pub const MAX_LEN: usize = 64 << 20;
/// The most predictions that one [`Answer`] may carry; longer ones are cut for the log only, the
/// body keeps them all.
pub const MAX_PREDICTIONS: usize = 4096;

/// Bytes of `len` itself.
const LEN: usize = 4;
/// Bytes of id and kind, which `len` counts.
const HEAD: usize = 9;
/// Bytes of an answer before its predictions: status, compute time, count.
const ANSWER_HEAD: usize = 10;
/// Bytes before the body of a request, or before an answer, whose JSON ends before its body does.
const JSON_HEAD: usize = 4;
/// The most memory asked for on the word of a length alone.
const RESERVE: usize = 1 << 20;
/// The longest body that a request can carry and still fit a frame.
pub const MAX_BODY: usize = MAX_LEN - HEAD;

const INFER_OIP: u8 = 1;
const INFER_ROWS: u8 = 2;
const DESCRIBE: u8 = 3;
const PING: u8 = 4;
const INFER_OIP_RAW: u8 = 5;
const INFER_GRPC: u8 = 6;
const INFER_V1: u8 = 7;
const INFER_SCORING: u8 = 8;
const INFER_CSV: u8 = 9;
const CANCEL: u8 = 10;
const ANSWER: u8 = 129;
const ANSWER_RAW: u8 = 130;
const DESCRIPTION: u8 = 131;
const PONG: u8 = 132;

/// What the gateway asks of an engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Infer from a body that is written so, unparsed.
    Infer(Wire, Bytes),
    /// Say which inputs and outputs the model has.
    Describe,
    /// Say that you are alive.
    Ping,
    /// Nobody waits any more for the request of this id. It has no reply of its own.
    Cancel,
}

/// How a request for an inference is written; its answer is written the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Plain rows: a JSON object, or an array of them.
    Rows,
    /// The Open Inference Protocol's JSON.
    Oip,
    /// The same with raw bytes behind so many bytes of JSON (Triton's binary extension); 0 is all
    /// raw bytes.
    OipRaw(u32),
    /// A `ModelInferRequest` of the Open Inference Protocol's gRPC service, without its prefix.
    Grpc,
    /// KServe's first protocol: `{"instances": …}`.
    V1,
    /// MLflow's scoring protocol in JSON.
    Scoring,
    /// The same as CSV.
    Csv,
}

/// What an engine replies.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To an inference, good or bad.
    Answer(Answer),
    /// To [`Request::Describe`]: the JSON of a `ModelDescription`.
    Description(Bytes),
    /// To [`Request::Ping`].
    Pong,
}

/// An answer to one inference.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status: 200; 400 when the request is at fault; 500 when the model is (which counts
    /// against its version); 503 when the engine is not ready or full.
    pub status: u16,
    /// Time spent in the model, in microseconds.
    pub compute_micros: u32,
    /// First element of the first output, per row; NaN where it is no number.
    pub predictions: Vec<f64>,
    /// How many bytes of the body are JSON, if raw bytes follow them; else 0.
    pub json: u32,
    /// What to hand to the client. Errors are a JSON object, and so is all else but raw bytes and
    /// gRPC messages: not empty, its first byte is `{`, so that fields can be put behind it without
    /// parsing.
    pub body: Bytes,
}

/// A stream that does not follow the protocol. Close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `len` is above [`MAX_LEN`].
    #[error("a frame of {0} bytes is above the limit of {MAX_LEN}; send smaller requests")]
    TooLong(usize),
    /// `len` cannot hold what the kind needs.
    #[error("a frame of {0} bytes is too short for its kind")]
    TooShort(usize),
    /// A kind that this side does not take.
    #[error("unknown frame kind {0}; gateway and engine must be of the same release")]
    UnknownKind(u8),
    /// More predictions than the frame holds or the protocol allows.
    #[error("an answer claims {0} predictions")]
    Predictions(usize),
}

/// Appends a request to `out`. Fails, leaving `out` as it was, when the body does not fit a frame.
pub fn encode_request(id: u64, request: &Request, out: &mut BytesMut) -> Result<(), FrameError> {
    match request {
        Request::Infer(Wire::OipRaw(json), body) => {
            put_head(id, INFER_OIP_RAW, JSON_HEAD + body.len(), out)?;
            out.put_u32_le(*json);
            out.put_slice(body);
            Ok(())
        }
        Request::Infer(wire, body) => encode(id, kind_of(*wire), body, out),
        Request::Describe => encode(id, DESCRIBE, &[], out),
        Request::Ping => encode(id, PING, &[], out),
        Request::Cancel => encode(id, CANCEL, &[], out),
    }
}

/// Appends a reply to `out`. Fails, leaving `out` as it was, when the body does not fit a frame.
/// Predictions beyond [`MAX_PREDICTIONS`] are left out.
pub fn encode_reply(id: u64, reply: &Reply, out: &mut BytesMut) -> Result<(), FrameError> {
    match reply {
        Reply::Answer(answer) => encode_answer(id, answer, out),
        Reply::Description(body) => encode(id, DESCRIPTION, body, out),
        Reply::Pong => encode(id, PONG, &[], out),
    }
}

/// Takes the next request off the front of `buf`; `None` until it is whole.
pub fn decode_request(buf: &mut BytesMut) -> Result<Option<(u64, Request)>, FrameError> {
    let Some((id, kind, payload)) = split(buf)? else {
        return Ok(None);
    };
    let request = match kind {
        INFER_OIP => Request::Infer(Wire::Oip, payload),
        INFER_ROWS => Request::Infer(Wire::Rows, payload),
        INFER_OIP_RAW => {
            let (json, body) = json_head(payload)?;
            Request::Infer(Wire::OipRaw(json), body)
        }
        INFER_GRPC => Request::Infer(Wire::Grpc, payload),
        INFER_V1 => Request::Infer(Wire::V1, payload),
        INFER_SCORING => Request::Infer(Wire::Scoring, payload),
        INFER_CSV => Request::Infer(Wire::Csv, payload),
        DESCRIBE => Request::Describe,
        PING => Request::Ping,
        CANCEL => Request::Cancel,
        other => return Err(FrameError::UnknownKind(other)),
    };
    Ok(Some((id, request)))
}

/// Takes the next reply off the front of `buf`; `None` until it is whole.
pub fn decode_reply(buf: &mut BytesMut) -> Result<Option<(u64, Reply)>, FrameError> {
    let Some((id, kind, payload)) = split(buf)? else {
        return Ok(None);
    };
    let reply = match kind {
        ANSWER => Reply::Answer(parse_answer(payload, 0)?),
        ANSWER_RAW => {
            let (json, answer) = json_head(payload)?;
            Reply::Answer(parse_answer(answer, json)?)
        }
        DESCRIPTION => Reply::Description(payload),
        PONG => Reply::Pong,
        other => return Err(FrameError::UnknownKind(other)),
    };
    Ok(Some((id, reply)))
}

/// The id of an encoded frame; `None` for what is none.
#[must_use]
pub fn id_of(frame: &[u8]) -> Option<u64> {
    let (_, rest) = frame.split_first_chunk::<LEN>()?;
    Some(u64::from_le_bytes(*rest.first_chunk()?))
}

/// The kind of a request whose payload is its body.
fn kind_of(wire: Wire) -> u8 {
    match wire {
        Wire::Rows => INFER_ROWS,
        Wire::Oip => INFER_OIP,
        Wire::OipRaw(_) => INFER_OIP_RAW,
        Wire::Grpc => INFER_GRPC,
        Wire::V1 => INFER_V1,
        Wire::Scoring => INFER_SCORING,
        Wire::Csv => INFER_CSV,
    }
}

fn json_head(mut payload: Bytes) -> Result<(u32, Bytes), FrameError> {
    if payload.len() < JSON_HEAD {
        return Err(FrameError::TooShort(HEAD + payload.len()));
    }
    Ok((payload.get_u32_le(), payload))
}

fn put_head(id: u64, kind: u8, payload_len: usize, out: &mut BytesMut) -> Result<(), FrameError> {
    let len = HEAD + payload_len;
    let wire_len = u32::try_from(len).map_err(|_| FrameError::TooLong(len))?;
    if len > MAX_LEN {
        return Err(FrameError::TooLong(len));
    }
    out.reserve(LEN + len);
    out.put_u32_le(wire_len);
    out.put_u64_le(id);
    out.put_u8(kind);
    Ok(())
}

fn encode(id: u64, kind: u8, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    put_head(id, kind, payload.len(), out)?;
    out.put_slice(payload);
    Ok(())
}

fn encode_answer(id: u64, answer: &Answer, out: &mut BytesMut) -> Result<(), FrameError> {
    let kept = &answer.predictions[..answer.predictions.len().min(MAX_PREDICTIONS)];
    let count = u32::try_from(kept.len()).map_err(|_| FrameError::Predictions(kept.len()))?;
    let len = ANSWER_HEAD + kept.len() * 8 + answer.body.len();
    if answer.json == 0 {
        put_head(id, ANSWER, len, out)?;
    } else {
        put_head(id, ANSWER_RAW, JSON_HEAD + len, out)?;
        out.put_u32_le(answer.json);
    }
    out.put_u16_le(answer.status);
    out.put_u32_le(answer.compute_micros);
    out.put_u32_le(count);
    for prediction in kept {
        out.put_f64_le(*prediction);
    }
    out.put_slice(&answer.body);
    Ok(())
}

/// Splits the first whole frame off `buf`, or makes room for what is missing of it.
fn split(buf: &mut BytesMut) -> Result<Option<(u64, u8, Bytes)>, FrameError> {
    let Some(head) = buf.first_chunk::<LEN>() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
    if len > MAX_LEN {
        return Err(FrameError::TooLong(len));
    }
    if len < HEAD {
        return Err(FrameError::TooShort(len));
    }
    let missing = (LEN + len).saturating_sub(buf.len());
    if missing > 0 {
        // A length alone is no reason to take 64 MiB: room grows with what has arrived.
        buf.reserve(missing.min(RESERVE));
        return Ok(None);
    }
    let mut frame = buf.split_to(LEN + len);
    frame.advance(LEN);
    let id = frame.get_u64_le();
    let kind = frame.get_u8();
    Ok(Some((id, kind, frame.freeze())))
}

fn parse_answer(mut payload: Bytes, json: u32) -> Result<Answer, FrameError> {
    if payload.len() < ANSWER_HEAD {
        return Err(FrameError::TooShort(payload.len() + HEAD));
    }
    let status = payload.get_u16_le();
    let compute_micros = payload.get_u32_le();
    let count = usize::try_from(payload.get_u32_le()).unwrap_or(usize::MAX);
    if count > MAX_PREDICTIONS || payload.len() < count * 8 {
        return Err(FrameError::Predictions(count));
    }
    let predictions = (0..count).map(|_| payload.get_f64_le()).collect();
    Ok(Answer {
        status,
        compute_micros,
        predictions,
        json,
        body: payload,
    })
}

#[cfg(test)]
mod tests;
