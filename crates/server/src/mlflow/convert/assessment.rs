//! Assessments: the value of one is kept as JSON, and as a number where it stands for one.

use super::{filled, trace};
use jiff::Timestamp;
use mlflow::{
    Error, limits,
    otlp::Any,
    traces::{Assessment as Wire, AssessmentError, Feedback, Issue, Source, expected, keys, shown},
};
use store::{Assessment, AssessmentKind};

/// Characters of an assessment's name and id, as in MLflow's columns.
const NAME: usize = 250;

/// An assessment as answers show it.
pub(in crate::mlflow) fn wire(from: Assessment) -> Wire {
    let value = Any::parse(&from.value).unwrap_or_default();
    let mut to = Wire {
        assessment_id: Some(from.assessment_id),
        assessment_name: from.name,
        trace_id: from.trace_id,
        span_id: from.span_id,
        source: Source {
            source_type: from.source_type.into(),
            source_id: from.source_id,
        },
        create_time: trace::time(from.created_at),
        last_update_time: trace::time(from.updated_at),
        rationale: from.rationale,
        metadata: from.metadata,
        overrides: from.overrides,
        valid: Some(from.valid),
        ..Wire::default()
    };
    match from.kind {
        AssessmentKind::Feedback => {
            let error = from.error.and_then(|text| serde_json::from_str(&text).ok());
            to.feedback = Some(Feedback { value, error });
        }
        AssessmentKind::Expectation => to.expectation = Some(shown(value)),
        AssessmentKind::Issue => {
            let name = value.get("issue_name").and_then(Any::as_text);
            to.issue = Some(Issue {
                issue_name: name.unwrap_or_default().to_owned(),
            });
        }
    }
    to
}

/// What a client says of a trace. `id` is for one that has none.
pub(in crate::mlflow) fn told(
    said: &Wire,
    trace_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<Assessment, Error> {
    let (kind, value, error) = value(said)?;
    limits::at_most("assessment_name", &said.assessment_name, NAME)?;
    limits::at_most(
        "assessment_id",
        said.assessment_id.as_deref().unwrap_or_default(),
        NAME,
    )?;
    let rationale = match kind {
        AssessmentKind::Expectation => None,
        _ => filled(said.rationale.as_deref()),
    };
    let mut to = Assessment {
        assessment_id: filled(said.assessment_id.as_deref()).unwrap_or_else(|| id.to_owned()),
        trace_id: trace_id.to_owned(),
        name: said.assessment_name.clone(),
        kind,
        value: String::new(),
        number: None,
        numeric: false,
        error,
        rationale,
        source_type: said.source.kind().to_owned(),
        source_id: filled(said.source.source_id.as_deref()),
        span_id: filled(said.span_id.as_deref()),
        overrides: filled(said.overrides.as_deref()).filter(|_| kind == AssessmentKind::Feedback),
        valid: true,
        of_session: said.metadata.contains_key(keys::SESSION),
        metadata: said.metadata.clone(),
        created_at: trace::read_time("create_time", &said.create_time)?.unwrap_or(now),
        updated_at: trace::read_time("last_update_time", &said.last_update_time)?.unwrap_or(now),
    };
    set_value(&mut to, &value);
    Ok(to)
}

/// The kind, value and error of what is said.
fn value(said: &Wire) -> Result<(AssessmentKind, Any, Option<String>), Error> {
    if let Some(feedback) = &said.feedback {
        let error = feedback.error.as_ref().map(error_text);
        return Ok((AssessmentKind::Feedback, feedback.kept(), error));
    }
    if let Some(expectation) = &said.expectation {
        return Ok((AssessmentKind::Expectation, expected(expectation)?, None));
    }
    let Some(issue) = &said.issue else {
        return Err(Error::invalid("Unknown assessment type: None"));
    };
    let value = Any::Map(vec![("issue_name".into(), Any::text(&issue.issue_name))]);
    Ok((AssessmentKind::Issue, value, None))
}

fn error_text(error: &AssessmentError) -> String {
    // A struct of texts always serialises.
    serde_json::to_string(error).unwrap_or_default()
}

/// The value, and the number that it is or stands for.
fn set_value(to: &mut Assessment, value: &Any) {
    to.value = value.dump();
    (to.number, to.numeric) = match value {
        Any::Bool(yes) => (Some(f64::from(u8::from(*yes))), false),
        Any::Int(number) => (Some(*number as f64), true),
        Any::Double(number) if number.is_finite() => (Some(*number), true),
        Any::Text(text) => match text.trim().to_lowercase().as_str() {
            "yes" => (Some(1.0), false),
            "no" => (Some(0.0), false),
            _ => (None, false),
        },
        _ => (None, false),
    };
}

/// Changes the fields that a mask names; metadata is added to what is there.
pub(in crate::mlflow) fn change(
    known: &mut Assessment,
    new: &Wire,
    mask: &[String],
    now: Timestamp,
) -> Result<(), Error> {
    let named = |field: &str| mask.iter().any(|path| path == field);
    if named("feedback") && named("expectation") {
        return Err(Error::invalid(
            "Cannot specify both `expectation` and `feedback` parameters.",
        ));
    }
    if named("expectation") {
        kind(
            known,
            AssessmentKind::Expectation,
            "Cannot update expectation value on a Feedback assessment.",
        )?;
        set_value(
            known,
            &expected(&new.expectation.clone().unwrap_or_default())?,
        );
    }
    if named("feedback") {
        kind(
            known,
            AssessmentKind::Feedback,
            "Cannot update feedback value on an Expectation assessment.",
        )?;
        let feedback = new.feedback.clone().unwrap_or_default();
        set_value(known, &feedback.kept());
        known.error = feedback.error.as_ref().map(error_text);
    }
    if named("assessment_name") {
        limits::at_most("assessment_name", &new.assessment_name, NAME)?;
        known.name.clone_from(&new.assessment_name);
    }
    if named("rationale")
        && known.kind != AssessmentKind::Expectation
        && let Some(rationale) = &new.rationale
    {
        known.rationale = Some(rationale.clone());
    }
    if named("metadata") {
        known.metadata.extend(new.metadata.clone());
        known.of_session = known.metadata.contains_key(keys::SESSION);
    }
    known.updated_at = now;
    Ok(())
}

fn kind(known: &Assessment, wanted: AssessmentKind, refusal: &str) -> Result<(), Error> {
    match known.kind == wanted {
        true => Ok(()),
        false => Err(Error::invalid(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(json: serde_json::Value) -> Result<Assessment, Error> {
        told(
            &serde_json::from_value(json).unwrap(),
            "t",
            "a-new",
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn values_and_the_numbers_they_stand_for() {
        for (value, kept, number, numeric) in [
            (json!(true), "true", Some(1.0), false),
            (json!(5), "5.0", Some(5.0), true),
            (json!(" No "), "\" No \"", Some(0.0), false),
            (json!("maybe"), "\"maybe\"", None, false),
            (json!([1]), "[1.0]", None, false),
            (json!(null), "null", None, false),
        ] {
            let got = said(json!({ "feedback": { "value": value } })).unwrap();
            assert_eq!(
                (got.value.as_str(), got.number, got.numeric),
                (kept, number, numeric)
            );
        }
        assert!(said(json!({ "assessment_name": "q" })).is_err());
        let long = json!({ "assessment_name": "q".repeat(251), "feedback": { "value": 1 } });
        assert!(said(long).is_err());
    }

    #[test]
    fn only_what_the_mask_names_changes() {
        let mut known = said(
            json!({ "assessment_name": "q", "feedback": { "value": 1 }, "metadata": { "a": "1" } }),
        )
        .unwrap();
        let new = json!({ "assessment_name": "z", "feedback": { "value": 2 }, "metadata": { "b": "2" }, "rationale": "r" });
        let new: Wire = serde_json::from_value(new).unwrap();
        let later = Timestamp::from_second(5).unwrap();
        change(
            &mut known,
            &new,
            &["feedback".into(), "metadata".into(), "unknown".into()],
            later,
        )
        .unwrap();
        assert_eq!(
            (
                known.name.as_str(),
                known.value.as_str(),
                known.rationale.as_deref()
            ),
            ("q", "2.0", None)
        );
        assert_eq!((known.metadata.len(), known.updated_at), (2, later));
        assert!(change(&mut known, &new, &["expectation".into()], later).is_err());
    }
}
