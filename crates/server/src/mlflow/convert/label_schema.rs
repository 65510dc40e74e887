//! Label schemas.

use mlflow::{Error, label_schemas::LabelSchema as Wire};
use store::{LabelKind, LabelSchema};

/// A schema as answers show it.
pub(in crate::mlflow) fn wire(from: LabelSchema) -> Wire {
    Wire {
        schema_id: from.id,
        experiment_id: from.experiment,
        name: from.name,
        kind: match from.kind {
            LabelKind::Feedback => "FEEDBACK",
            LabelKind::Expectation => "EXPECTATION",
        },
        instruction: from.instruction,
        enable_comment: from.comment,
        input: from.input,
        created_at: from.created_at.as_millisecond(),
        last_updated_at: from.updated_at.as_millisecond(),
        is_default: from.is_default,
    }
}

/// What an answer is, by its name or number.
pub(in crate::mlflow) fn kind(text: Option<&str>) -> Result<LabelKind, Error> {
    match text {
        Some("FEEDBACK" | "1") => Ok(LabelKind::Feedback),
        Some("EXPECTATION" | "2") => Ok(LabelKind::Expectation),
        other => Err(Error::invalid_value(
            "type",
            other.unwrap_or_default(),
            "use FEEDBACK or EXPECTATION",
        )),
    }
}
