//! When a call that was turned away should be made again, in trailers: for a client's own retry
//! policy (`grpc-retry-pushback-ms`), and as details that programs read (`RetryInfo`).
//!
//! Source: grpc/proposal, `A6-client-retries.md`, "Pushback"; googleapis, `google/rpc/status.proto`
//! and `google/rpc/error_details.proto`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{HeaderName, HeaderValue};
use prost::Message;

const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

/// `google.protobuf.Duration`, of whole seconds.
#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// The trailers of a call that ended so and is worth making again in so many seconds.
pub(super) fn trailers(
    code: u16,
    words: &str,
    seconds: u32,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let info = RetryInfo {
        retry_delay: Some(Span {
            seconds: seconds.into(),
        }),
    };
    let details = Details {
        code: code.into(),
        message: words.to_owned(),
        details: vec![Any {
            type_url: RETRY_INFO.to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    let pushback = HeaderValue::from(u64::from(seconds) * 1000);
    let details = HeaderValue::try_from(STANDARD_NO_PAD.encode(details.encode_to_vec()));
    let details = details.ok().map(|details| (DETAILS, details));
    [(PUSHBACK, pushback)].into_iter().chain(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_policies_are_told() {
        let said: Vec<_> = trailers(14, "full", 3).collect();
        assert_eq!(said[0], (PUSHBACK, HeaderValue::from_static("3000")));
        assert_eq!(said[1].0, DETAILS);
        let bytes = STANDARD_NO_PAD.decode(said[1].1.as_bytes()).unwrap();
        let details = Details::decode(&bytes[..]).unwrap();
        assert_eq!((details.code, details.message.as_str()), (14, "full"));
        let info = RetryInfo::decode(&details.details[0].value[..]).unwrap();
        assert_eq!(info.retry_delay.map(|span| span.seconds), Some(3));
    }
}
