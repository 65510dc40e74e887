//! What may be wrong with a request.

use crate::raw::RawError;

/// A request that the model cannot take: the client's fault.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each is, the fields are named in them"
)]
pub enum RequestError {
    #[error("the body is not an inference request: {0}")]
    Body(serde_json::Error),
    #[error("the message is not an inference request: {0}")]
    Message(prost::DecodeError),
    #[error("input `{0}` is missing; the model takes {1}")]
    Missing(String, String),
    #[error("the model has no input `{0}`; it takes {1}")]
    UnknownInput(String, String),
    #[error("input `{0}` is given twice")]
    Twice(String),
    #[error("the model has no output `{0}`; it gives {1}")]
    UnknownOutput(String, String),
    #[error("`{0}` is no datatype of the protocol")]
    UnknownDatatype(String),
    #[error("input `{name}` is {expect}, not {got}")]
    Datatype {
        name: String,
        expect: &'static str,
        got: String,
    },
    #[error("input `{name}` has shape {got:?}, but the model takes {expect:?}")]
    Shape {
        name: String,
        got: Vec<i64>,
        expect: Vec<i64>,
    },
    #[error(
        "input `{name}` is {got} long in dimension `{dim}`, but another input is {expect} long there"
    )]
    Symbol {
        name: String,
        dim: String,
        got: usize,
        expect: usize,
    },
    #[error(
        "input `{name}` has shape {shape:?}, which is {expect} elements, but its data has {got}"
    )]
    Count {
        name: String,
        shape: Vec<usize>,
        expect: usize,
        got: usize,
    },
    #[error(
        "input `{0}` has no data: send `data`, or `binary_data_size` and the bytes behind the JSON"
    )]
    NoData(String),
    #[error("input `{0}` has both `data` and `binary_data_size`; send one of them")]
    TwoData(String),
    #[error("input `{name}` says that its data is {said} bytes, but only {left} are left")]
    Cut {
        name: String,
        said: u64,
        left: usize,
    },
    #[error("{0} bytes are left behind the data of the last input")]
    Left(usize),
    #[error("the header says that the JSON is {said} bytes, but the body is {got}")]
    Head { said: usize, got: usize },
    #[error("input `{name}`: {source}")]
    Raw { name: String, source: RawError },
    #[error("input `{0}` is in shared memory, which this server does not share; send its data")]
    SharedMemory(String),
    #[error(
        "raw data comes for {got} inputs, but the request has {expect}; send it for all or none"
    )]
    RawInputs { expect: usize, got: usize },
    #[error(
        "a request without JSON is for a model with one input that has one open dimension at the most; send JSON that names inputs and shapes"
    )]
    NoJson,
    #[error("{0}")]
    Value(serde_json::Error),
}
