//! Every decoder of the protocols on random inputs: none panics or hangs, and what is understood is whole. For minutes:
//! `cargo xtask fuzz`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use bytes::{Bytes, BytesMut};
use inference::answer::Output;
use inference::frame::{self, Answer, FrameError, Reply, Request, Wire};
use inference::model::{Dim, Inputs, TensorSpec};
use inference::oip::grpc::message::{InferInputTensor, InferTensorContents, ModelInferRequest};
use inference::question::{Form, Question};
use inference::tensor::Datatype;
use prost::Message as _;

/// Most rows.
const MOST: usize = 100;

/// What the model takes: numbers of two kinds and strings, one of them with rows of two.
fn specs() -> Vec<TensorSpec> {
    let spec = |name: &str, datatype, width| TensorSpec {
        name: name.into(),
        datatype,
        dims: vec![Dim::Free(None), Dim::Fixed(width)],
    };
    vec![
        spec("x", Datatype::Fp32, 2),
        spec("n", Datatype::Int64, 1),
        spec("s", Datatype::Bytes, 1),
    ]
}

/// The same without the one that a table has no column for.
fn narrow() -> Vec<TensorSpec> {
    specs().into_iter().skip(1).collect()
}

/// Whether a request is understood; if so, its tensors are whole, and can be written as its answer.
fn reads(wire: Wire, body: &[u8], inputs: &Inputs, specs: &[TensorSpec]) -> bool {
    let body = Bytes::copy_from_slice(body);
    let Ok(question) = Question::read(wire, &body, inputs, specs, MOST) else {
        return false;
    };
    for tensor in &question.tensors {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len());
    }
    let own = question.names.iter().map(String::as_str);
    let names = own.chain(specs.iter().map(|spec| spec.name.as_str()));
    let echo = names.zip(&question.tensors).map(|(name, tensor)| Output {
        name,
        shape: tensor.shape.clone(),
        data: tensor.data.clone(),
        classes: None,
    });
    let outputs: Vec<_> = echo.collect();
    if let Ok(answer) = question.form.write(&outputs)
        && !matches!(question.form, Form::Oip { grpc: true, .. })
    {
        let json = &answer.bytes[..answer.json.unwrap_or(answer.bytes.len())];
        let whole = serde_json::from_slice::<serde_json::Value>(json);
        assert!(whole.is_ok_and(|value| value.is_object()), "{json:?}");
    }
    true
}

/// For a model that says what it takes, and for one that takes anything.
fn reads_for_any(wire: Wire, body: &[u8]) -> bool {
    let known = reads(wire, body, &Inputs::new(specs()).unwrap(), &specs());
    let any = reads(wire, body, &Inputs::any(), &[]);
    known || any
}

const OIP: &[u8] = br#"{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2.5,-3e-2,4]},{"name":"n","datatype":"INT64","shape":[2,1],"data":[[1],[-9223372036854775808]]},{"name":"s","datatype":"BYTES","shape":[2,1],"data":["a","\u00e9\n"]}],"outputs":[{"name":"x","parameters":{"binary_data":false}}]}"#;

#[test]
fn oip() {
    let other = br#"{"inputs":[{"name":"b","datatype":"BOOL","shape":[3],"data":[true,false,true]},{"name":"h","datatype":"FP16","shape":[1,2],"data":[1,65504]},{"name":"u","datatype":"UINT64","shape":[1],"data":[18446744073709551615]}]}"#;
    fuzz::run("oip", &[OIP, other], |body| {
        if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
            agree(body);
        }
        reads_for_any(Wire::Oip, body)
    });
}

/// Valid JSON is found by scanning, or left to the general reader; an escape in a key forces the latter. Both must read
/// the same.
fn agree(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else {
        return;
    };
    let escaped = text.replace("\"inputs\"", "\"input\\u0073\"");
    let read = |body: &str, inputs: &Inputs, specs: &[TensorSpec]| {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let read = Question::read(Wire::Oip, &body, inputs, specs, MOST);
        // By its text: NaN is not equal to itself.
        read.ok().map(|question| format!("{question:?}"))
    };
    let known = Inputs::new(specs()).unwrap();
    for (inputs, specs) in [(&known, &specs()[..]), (&Inputs::any(), &[])] {
        let (quick, general) = (read(text, inputs, specs), read(&escaped, inputs, specs));
        assert_eq!(quick, general);
    }
}

/// The JSON's length, as the header says it, comes first.
#[test]
fn binary() {
    let json = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},{"name":"n","datatype":"INT64","shape":[1,1],"data":[7]},{"name":"s","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":6}}],"outputs":[{"name":"s","parameters":{"binary_data":true}}]}"#;
    let length = (json.len() as u16).to_le_bytes();
    let raw = [&[0; 8][..], &2_u32.to_le_bytes(), b"ab"].concat();
    let example = [&length[..], json, &raw].concat();
    let all_raw = [&[0; 2][..], &[0; 8]].concat();
    let single = Inputs::new(specs()[..1].to_vec()).unwrap();
    fuzz::run("binary", &[&example, &all_raw], |input| {
        let Some((length, body)) = input.split_first_chunk() else {
            return false;
        };
        let wire = Wire::OipRaw(u16::from_le_bytes(*length).into());
        let alone = reads(wire, body, &single, &specs());
        reads_for_any(wire, body) || alone
    });
}

#[test]
fn grpc() {
    let contents = |floats: &[f32], wholes: &[i64], text: &'static str| InferTensorContents {
        fp32_contents: floats.to_vec(),
        int64_contents: wholes.to_vec(),
        bytes_contents: (!text.is_empty())
            .then(|| text.into())
            .into_iter()
            .collect(),
        ..InferTensorContents::default()
    };
    let tensor = |name: &str, datatype: &str, width, contents| InferInputTensor {
        name: name.into(),
        datatype: datatype.into(),
        shape: vec![1, width],
        contents,
        ..InferInputTensor::default()
    };
    let typed = ModelInferRequest {
        model_name: "m".into(),
        id: "a".into(),
        inputs: vec![
            tensor("x", "FP32", 2, Some(contents(&[1.0, 2.0], &[], ""))),
            tensor("n", "INT64", 1, Some(contents(&[], &[-1], ""))),
            tensor("s", "BYTES", 1, Some(contents(&[], &[], "text"))),
        ],
        ..ModelInferRequest::default()
    };
    let mut raw = typed.clone();
    raw.inputs
        .iter_mut()
        .for_each(|input| input.contents = None);
    raw.raw_input_contents = vec![
        Bytes::from_static(&[0; 8]),
        Bytes::from_static(&[1; 8]),
        Bytes::from_static(b"\x02\0\0\0ab"),
    ];
    let examples = [typed.encode_to_vec(), raw.encode_to_vec()];
    fuzz::run("grpc", &[&examples[0], &examples[1]], |body| {
        reads_for_any(Wire::Grpc, body)
    });
}

/// A wire that has rows.
fn by_rows(name: &str, wire: Wire, examples: &[&[u8]]) {
    let inputs = Inputs::new(narrow()).unwrap();
    fuzz::run(name, examples, |body| reads(wire, body, &inputs, &narrow()));
}

#[test]
fn rows() {
    let one = br#"{"request_id":"r","n":12,"s":"a","extra":{"deep":[1,{}]}}"#;
    let many = br#"[{"n":-1,"s":"\ud83d\ude00"},{"s":"b","n":0}]"#;
    by_rows("rows", Wire::Rows, &[one, many]);
}

#[test]
fn v1() {
    let named = br#"{"instances":[{"n":1,"s":"a"},{"n":2,"s":"b"}]}"#;
    by_rows("v1", Wire::V1, &[named]);
}

#[test]
fn scoring() {
    let split =
        br#"{"dataframe_split":{"columns":["n","s"],"index":[0,1],"data":[[1,"a"],[2,"b"]]}}"#;
    let records = br#"{"dataframe_records":[{"n":1,"s":"a"}],"params":{"k":1}}"#;
    let instances = br#"{"instances":[{"n":1,"s":"a"}]}"#;
    let inputs = br#"{"inputs":{"n":[1,2],"s":["a","b"]}}"#;
    let examples: [&[u8]; 4] = [split, records, instances, inputs];
    by_rows("scoring", Wire::Scoring, &examples);
}

#[test]
fn csv() {
    let examples: [&[u8]; 2] = [b"n,s\n1,a\n-2,\"b,\"\"\"\n", b"s,n\r\nc,0\r\n"];
    by_rows("csv", Wire::Csv, &examples);
}

/// Takes frames off a stream as `decode` does, and checks that no cut of the stream is taken for more than it is.
fn takes<T: PartialEq + std::fmt::Debug>(
    stream: &[u8],
    decode: impl Fn(&mut BytesMut) -> Result<Option<T>, FrameError>,
    encode: impl Fn(&T, &mut BytesMut),
) -> bool {
    let mut left = BytesMut::from(stream);
    let mut understood = false;
    loop {
        let before = left.clone();
        let Ok(Some(frame)) = decode(&mut left) else {
            return understood;
        };
        understood = true;
        let whole = &before[..before.len() - left.len()];
        for cut in [0, whole.len() / 2, whole.len() - 1] {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(decode(&mut part), Ok(None), "{cut} of {}", whole.len());
            assert_eq!(part, whole[..cut], "nothing is taken");
        }
        let mut again = BytesMut::new();
        encode(&frame, &mut again);
        let same = decode(&mut again).unwrap().unwrap();
        // By its text: NaN is not equal to itself.
        assert_eq!(format!("{same:?}"), format!("{frame:?}"));
        assert!(again.is_empty());
    }
}

#[test]
fn requests() {
    let wires = [
        Wire::Rows,
        Wire::OipRaw(2),
        Wire::Grpc,
        Wire::V1,
        Wire::Scoring,
        Wire::Csv,
        Wire::Oip,
    ];
    let mut stream = BytesMut::new();
    for wire in wires {
        let request = Request::Infer(wire, Bytes::from_static(b"{}ab"));
        frame::encode_request(1, &request, &mut stream).unwrap();
    }
    for request in [Request::Describe, Request::Ping, Request::Cancel] {
        frame::encode_request(u64::MAX, &request, &mut stream).unwrap();
    }
    fuzz::run("requests", &[&stream], |stream| {
        takes(stream, frame::decode_request, |(id, request), out| {
            frame::encode_request(*id, request, out).unwrap();
        })
    });
}

#[test]
fn replies() {
    let answer = |json, predictions| {
        Reply::Answer(Answer {
            status: 200,
            compute_micros: 5,
            predictions,
            json,
            body: Bytes::from_static(b"{}ab"),
        })
    };
    let replies = [
        answer(0, vec![1.0, f64::NAN]),
        answer(2, vec![]),
        Reply::Description(Bytes::from_static(b"{}")),
        Reply::Pong,
    ];
    let mut stream = BytesMut::new();
    for (id, reply) in replies.iter().enumerate() {
        frame::encode_reply(id as u64, reply, &mut stream).unwrap();
    }
    fuzz::run("replies", &[&stream], |stream| {
        takes(stream, frame::decode_reply, |(id, reply), out| {
            frame::encode_reply(*id, reply, out).unwrap();
        })
    });
}
