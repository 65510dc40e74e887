//! OTLP, the protocol of OpenTelemetry, as far as traces of it go: what `POST /v1/traces` takes, in protobuf and in JSON.
//!
//! The few messages are read by a small reader of our own ([`wire`]) rather than by generated code: seven message types
//! of which a handful of fields matter need no compiler, no build script and no further dependency, and the bounds
//! (depth, lengths, UTF-8) stand where the bytes are read. Field numbers follow opentelemetry-proto 1.x
//! (trace/v1/trace.proto, common/v1/common.proto, resource/v1/resource.proto). Unknown fields are passed over, as
//! protobuf wants it.

mod json;
mod protobuf;
mod value;
mod wire;

pub use value::Any;
pub(crate) use value::wire_pairs;

/// What came in one request: spans, grouped by what emitted them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// A process each.
    pub resources: Vec<Resource>,
}

/// One emitter and its spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// What describes the emitter, such as `service.name`.
    pub attributes: Vec<(String, Any)>,
    /// Its spans, of all instrumentation scopes.
    pub spans: Vec<Span>,
}

/// One span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Up to 16 bytes.
    pub trace_id: Vec<u8>,
    /// Up to 8 bytes.
    pub span_id: Vec<u8>,
    /// Empty for a root.
    pub parent_id: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Nanoseconds since 1970.
    pub started: u64,
    /// Nanoseconds since 1970; 0 when it has not ended.
    pub ended: u64,
    /// In the order of the request.
    pub attributes: Vec<(String, Any)>,
    /// What happened within it.
    pub events: Vec<Event>,
    /// Other spans that it names.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: Status,
}

/// Something that happened within a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// Its name.
    pub name: String,
    /// In the order of the request.
    pub attributes: Vec<(String, Any)>,
}

/// Another span that a span names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Up to 16 bytes.
    pub trace_id: Vec<u8>,
    /// Up to 8 bytes.
    pub span_id: Vec<u8>,
    /// In the order of the request.
    pub attributes: Vec<(String, Any)>,
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its code.
    pub code: StatusCode,
    /// For people.
    pub message: String,
}

/// Whether a span did its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusCode {
    /// It did not say.
    #[default]
    Unset,
    /// Yes.
    Ok,
    /// No.
    Error,
}

impl StatusCode {
    fn of(number: u64) -> Self {
        match number {
            1 => StatusCode::Ok,
            2 => StatusCode::Error,
            _ => StatusCode::Unset,
        }
    }

    /// MLflow's short name.
    pub fn name(self) -> &'static str {
        match self {
            StatusCode::Unset => "UNSET",
            StatusCode::Ok => "OK",
            StatusCode::Error => "ERROR",
        }
    }

    /// The protocol's name.
    pub fn long_name(self) -> &'static str {
        match self {
            StatusCode::Unset => "STATUS_CODE_UNSET",
            StatusCode::Ok => "STATUS_CODE_OK",
            StatusCode::Error => "STATUS_CODE_ERROR",
        }
    }
}

/// The request is not OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid OpenTelemetry format")]
pub struct Malformed;

impl Export {
    /// Reads an `ExportTraceServiceRequest` in protobuf's binary form.
    ///
    /// # Errors
    /// [`Malformed`], without a word on where: the bytes are a program's.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, Malformed> {
        protobuf::export(bytes)
    }

    /// Reads the same in OTLP's JSON, where ids are hex.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Malformed> {
        json::export(bytes)
    }
}
