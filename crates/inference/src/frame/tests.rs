//! Frames survive any cut of the stream, and bytes that are no frames are refused, never a panic.

use super::*;
use proptest::prelude::*;

fn answer(status: u16, predictions: &[f64], body: &[u8]) -> Reply {
    Reply::Answer(Answer {
        status,
        compute_micros: 7,
        predictions: predictions.to_vec(),
        json: 0,
        body: Bytes::copy_from_slice(body),
    })
}

#[test]
fn the_layout_is_the_documented_one() {
    let mut out = BytesMut::new();
    encode_request(
        0x0102,
        &Request::Infer(Wire::Rows, Bytes::from_static(b"{}")),
        &mut out,
    )
    .unwrap();
    assert_eq!(
        &out[..],
        [11, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 2, b'{', b'}']
    );

    let mut out = BytesMut::new();
    encode_reply(5, &answer(200, &[1.0], b"x"), &mut out).unwrap();
    let mut expect = vec![
        28, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 129, 200, 0, 7, 0, 0, 0, 1, 0, 0, 0,
    ];
    expect.extend(1.0_f64.to_le_bytes());
    expect.push(b'x');
    assert_eq!(&out[..], expect);
}

#[test]
fn broken_streams_are_refused() {
    let check = |bytes: &[u8], expect: FrameError| {
        let mut buf = BytesMut::from(bytes);
        assert_eq!(decode_reply(&mut buf), Err(expect));
    };
    let too_long = u32::try_from(MAX_LEN + 1).unwrap();
    check(&too_long.to_le_bytes(), FrameError::TooLong(MAX_LEN + 1));
    check(&8_u32.to_le_bytes(), FrameError::TooShort(8));
    check(
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 77],
        FrameError::UnknownKind(77),
    );
    check(
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 129],
        FrameError::TooShort(9),
    );
    // A request's kind is no reply.
    check(
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4],
        FrameError::UnknownKind(4),
    );
    let mut out = BytesMut::new();
    encode_reply(1, &answer(200, &[], b"1234567"), &mut out).unwrap();
    out[19] = 1;
    check(&out, FrameError::Predictions(1));
    out[19..23].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&out, FrameError::Predictions(u32::MAX as usize));
}

#[test]
fn a_body_above_the_limit_is_not_encoded() {
    let mut out = BytesMut::from(&b"kept"[..]);
    let body = Bytes::from(vec![b' '; MAX_BODY + 1]);
    let refused = encode_request(1, &Request::Infer(Wire::Oip, body.clone()), &mut out);
    assert_eq!(refused, Err(FrameError::TooLong(MAX_LEN + 1)));
    assert_eq!(&out[..], b"kept");
    let fits = encode_request(1, &Request::Infer(Wire::Oip, body.slice(1..)), &mut out);
    assert_eq!(fits, Ok(()));
}

#[test]
fn a_length_alone_takes_no_memory() {
    let mut buf = BytesMut::from(&u32::try_from(MAX_LEN).unwrap().to_le_bytes()[..]);
    assert_eq!(decode_request(&mut buf), Ok(None));
    assert!(buf.capacity() <= RESERVE * 2, "reserved {}", buf.capacity());
}

#[test]
fn surplus_predictions_are_left_out_and_the_body_kept() {
    let mut out = BytesMut::new();
    encode_reply(
        1,
        &answer(200, &vec![1.0; MAX_PREDICTIONS + 5], b"all"),
        &mut out,
    )
    .unwrap();
    let Ok(Some((1, Reply::Answer(got)))) = decode_reply(&mut out) else {
        panic!("no answer")
    };
    assert_eq!(
        (got.predictions.len(), &got.body[..]),
        (MAX_PREDICTIONS, &b"all"[..])
    );
}

fn any_wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        any::<u32>().prop_map(Wire::OipRaw),
        proptest::sample::select(vec![
            Wire::Rows,
            Wire::Oip,
            Wire::Grpc,
            Wire::V1,
            Wire::Scoring,
            Wire::Csv,
        ]),
    ]
}

fn any_request() -> impl Strategy<Value = Request> {
    let body = proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    prop_oneof![
        (any_wire(), body).prop_map(|(wire, body)| Request::Infer(wire, body)),
        Just(Request::Describe),
        Just(Request::Ping),
        Just(Request::Cancel),
    ]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let body = proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let predictions = proptest::collection::vec(-1e9..1e9_f64, 0..20);
    prop_oneof![
        (
            any::<u16>(),
            any::<u32>(),
            predictions,
            any::<u32>(),
            body.clone()
        )
            .prop_map(
                |(status, compute_micros, predictions, json, body)| Reply::Answer(Answer {
                    status,
                    compute_micros,
                    predictions,
                    json,
                    body
                })
            ),
        body.prop_map(Reply::Description),
        Just(Reply::Pong),
    ]
}

/// Feeds `wire` in pieces of `step` bytes and collects what `decode` gives.
fn drain<T>(
    wire: &[u8],
    step: usize,
    decode: impl Fn(&mut BytesMut) -> Result<Option<T>, FrameError>,
) -> Vec<T> {
    let mut buf = BytesMut::new();
    let mut got = Vec::new();
    for piece in wire.chunks(step) {
        buf.extend_from_slice(piece);
        while let Some(frame) = decode(&mut buf).unwrap() {
            got.push(frame);
        }
    }
    assert!(buf.is_empty());
    got
}

proptest! {
    #[test]
    fn requests_come_out_as_they_went_in(
        sent in proptest::collection::vec((any::<u64>(), any_request()), 0..8),
        step in 1..64_usize,
    ) {
        let mut wire = BytesMut::new();
        for (id, request) in &sent {
            encode_request(*id, request, &mut wire).unwrap();
        }
        prop_assert_eq!(drain(&wire, step, decode_request), sent);
    }

    #[test]
    fn replies_come_out_as_they_went_in(
        sent in proptest::collection::vec((any::<u64>(), any_reply()), 0..8),
        step in 1..64_usize,
    ) {
        let mut wire = BytesMut::new();
        for (id, reply) in &sent {
            encode_reply(*id, reply, &mut wire).unwrap();
        }
        prop_assert_eq!(drain(&wire, step, decode_reply), sent);
    }

    #[test]
    fn any_bytes_end_in_frames_a_wait_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), short in any::<bool>()) {
        let mut bytes = bytes;
        if short && bytes.len() > 4 {
            bytes[1..4].fill(0);
        }
        let mut requests = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = decode_request(&mut requests) {}
        let mut replies = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = decode_reply(&mut replies) {}
        prop_assert!(requests.len() <= bytes.len() && replies.len() <= bytes.len());
    }
}
