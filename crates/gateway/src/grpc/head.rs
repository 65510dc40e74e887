//! What a message says besides its tensors, and what the gateway adds to one.

use std::collections::HashMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use inference::oip::grpc::message::{Choice, RequestHead};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::fields::{Fields, REQUEST_ID, Wanted};

/// The id and the parameters of a request, as JSON scalars.
#[derive(Debug, Default)]
pub(crate) struct Head {
    id: Option<String>,
    parameters: HashMap<String, String>,
}

impl Head {
    /// Takes what was decoded.
    pub(crate) fn new(head: &RequestHead) -> Self {
        let parameters = head.parameters.iter().filter_map(|(name, parameter)| {
            let text = match parameter.choice.as_ref()? {
                Choice::String(text) => quoted(text),
                _ => parameter.text()?,
            };
            Some((name.clone(), text))
        });
        Self {
            id: (!head.id.is_empty()).then(|| quoted(&head.id)),
            parameters: parameters.collect(),
        }
    }

    /// The fields that are looked for: the id is the message's, or a parameter; the others are
    /// parameters. A value wanted under the id's own name, or as `request_id`, is the id.
    pub(crate) fn fields(&self, wanted: Wanted<'_>) -> Fields<'_> {
        let parameter = |name: &str| self.parameters.get(name).map(String::as_str);
        let id = self.id.as_deref();
        let id = id
            .or_else(|| parameter(wanted.id))
            .or_else(|| parameter(REQUEST_ID));
        let by_id = wanted.value == Some(wanted.id) || wanted.value == Some(REQUEST_ID);
        Fields {
            id,
            value: if by_id {
                id
            } else {
                wanted.value.and_then(parameter)
            },
            time: wanted.time.and_then(parameter),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Puts `model_name` and `model_version` in front of a `ModelInferResponse`: the fields of a message
/// may come in any order.
pub(crate) fn name_model(message: &Bytes, name: &str, version: u32) -> Bytes {
    let version = version.to_string();
    let field = |text: &str| 1 + encoded_len_varint(text.len() as u64) + text.len();
    let mut out = BytesMut::with_capacity(field(name) + field(&version) + message.len());
    for (tag, text) in [(1, name), (2, version.as_str())] {
        encode_key(tag, WireType::LengthDelimited, &mut out);
        encode_varint(text.len() as u64, &mut out);
        out.put_slice(text.as_bytes());
    }
    out.put_slice(message);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::frames;
    use inference::oip::grpc::message::{
        InferInputTensor, ModelInferRequest, ModelInferResponse, Parameter,
    };
    use prost::Message as _;

    #[test]
    fn a_response_gets_its_model() {
        let bare = ModelInferResponse {
            id: "7".into(),
            ..ModelInferResponse::default()
        };
        let named = name_model(&bare.encode_to_vec().into(), "delay", 12);
        let expect = ModelInferResponse {
            model_name: "delay".into(),
            model_version: "12".into(),
            ..bare
        };
        assert_eq!(ModelInferResponse::decode(named), Ok(expect));
    }

    #[test]
    fn fields_are_the_id_and_parameters() {
        let parameter = |choice| Parameter {
            choice: Some(choice),
        };
        let parameters = HashMap::from([
            ("user".to_owned(), parameter(Choice::String("a\"b".into()))),
            ("flown_at".to_owned(), parameter(Choice::Int64(17))),
            (
                "request_id".to_owned(),
                parameter(Choice::String("r1".into())),
            ),
        ]);
        let check = |id: &str, value, expect: Fields<'_>| {
            let head = Head::new(&RequestHead {
                id: id.into(),
                parameters: parameters.clone(),
                ..RequestHead::default()
            });
            let time = Some("flown_at");
            let wanted = Wanted {
                id: "key",
                value,
                time,
            };
            assert_eq!(head.fields(wanted), expect);
        };
        let fields = |id, value| Fields {
            id: Some(id),
            value,
            time: Some("17"),
        };
        check("x", Some("user"), fields("\"x\"", Some("\"a\\\"b\"")));
        check("", Some("key"), fields("\"r1\"", Some("\"r1\"")));
        check("x", Some("absent"), fields("\"x\"", None));
    }
    /// A stream of messages, each with its prefix.
    #[test]
    fn fuzz_messages() {
        let parameter = |choice| Parameter {
            choice: Some(choice),
        };
        let request = ModelInferRequest {
            model_name: "delay".into(),
            model_version: "3".into(),
            id: "a \"quoted\" id".into(),
            parameters: HashMap::from([
                ("user".into(), parameter(Choice::String("\u{1f600}".into()))),
                ("flown_at".into(), parameter(Choice::Int64(-1))),
                ("third".into(), parameter(Choice::Double(f64::NAN))),
            ]),
            inputs: vec![InferInputTensor {
                name: "x".into(),
                datatype: "FP32".into(),
                shape: vec![1, 2],
                ..InferInputTensor::default()
            }],
            ..ModelInferRequest::default()
        };
        let message = frames::prefixed(&request.encode_to_vec());
        let wanted = Wanted {
            id: "flight",
            value: Some("user"),
            time: Some("flown_at"),
        };
        fuzz::run("messages", &[&message, &message.repeat(2)], |stream| {
            let mut left = Bytes::copy_from_slice(stream);
            let mut understood = false;
            while let Ok(Some((message, rest))) = frames::split(left) {
                left = rest;
                let Ok(head) = RequestHead::decode(message.clone()) else {
                    continue;
                };
                understood = true;
                let found = Head::new(&head);
                let found = found.fields(wanted);
                for raw in [found.id, found.value, found.time].into_iter().flatten() {
                    serde_json::from_str::<serde_json::Value>(raw).unwrap();
                }
                // What decides where it goes is what the engine reads.
                if let Ok(whole) = ModelInferRequest::decode(message) {
                    assert_eq!((head.model_name, head.id), (whole.model_name, whole.id));
                }
            }
            understood
        });
    }
}
