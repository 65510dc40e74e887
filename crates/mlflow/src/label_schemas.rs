//! Label schemas: what reviewers are asked about the traces of an experiment (label_schemas.proto).

use crate::{
    Error,
    tag::{Double, integer, word},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The question that every experiment has by itself, in whatever case; nobody changes it.
pub const DEFAULT_NAME: &str = "Feedback";
/// What that question says more.
pub const DEFAULT_INSTRUCTION: &str = "Share any feedback on this trace.";

/// `POST label-schemas/create`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// The experiment.
    pub experiment_id: String,
    /// What is asked.
    pub name: String,
    /// `FEEDBACK` or `EXPECTATION`, or its number.
    #[serde(rename = "type", deserialize_with = "word::deserialize")]
    pub kind: Option<String>,
    /// More words.
    pub instruction: Option<String>,
    /// Whether a comment may be given, too.
    pub enable_comment: Option<bool>,
    /// How it may be answered.
    pub input: Option<Input>,
}

/// `PATCH label-schemas/update`: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// The schema.
    pub schema_id: String,
    /// What is asked.
    pub name: Option<String>,
    /// More words.
    pub instruction: Option<String>,
    /// Whether a comment may be given, too.
    pub enable_comment: Option<bool>,
    /// How it may be answered.
    pub input: Option<Input>,
}

/// Requests that name a schema by its id.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ById {
    /// The schema.
    pub schema_id: String,
}

/// `label-schemas/get-by-name`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ByName {
    /// The experiment.
    pub experiment_id: String,
    /// What is asked.
    pub name: String,
}

/// `label-schemas/list`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    /// The experiment.
    pub experiment_id: String,
    /// Rows of a page.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// How a question may be answered; one of these is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Input {
    /// Yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_fail: Option<PassFail>,
    /// One or some of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categorical: Option<Categorical>,
    /// A number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numeric: Option<Numeric>,
    /// A text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// Yes or no, in other words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassFail {
    /// For yes.
    pub positive_label: String,
    /// For no.
    pub negative_label: String,
}

/// One or some of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Categorical {
    /// What can be chosen.
    pub options: Vec<String>,
    /// Whether more than one may be.
    pub multi_select: bool,
}

/// A number between two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Numeric {
    /// The least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_value: Option<Double>,
    /// The most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_value: Option<Double>,
}

/// A text that is not too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    /// In characters.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "integer::deserialize"
    )]
    pub max_length: Option<i64>,
}

/// A schema as answers show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the protocol say it")]
pub struct LabelSchema {
    pub schema_id: String,
    pub experiment_id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    pub enable_comment: bool,
    pub input: serde_json::Value,
    pub created_at: i64,
    pub last_updated_at: i64,
    pub is_default: bool,
}

/// Characters of a name.
const NAME: usize = 250;
/// Characters of an instruction.
const INSTRUCTION: usize = 1000;
/// Characters of a label and of an option.
const LABEL: usize = 64;
/// Options of a choice.
const OPTIONS: usize = 10;

/// Checks what is asked.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when it is empty, too long, or the experiment's own question.
pub fn check_name(name: &str) -> Result<(), Error> {
    within("name", name, NAME)?;
    if name.trim().eq_ignore_ascii_case(DEFAULT_NAME) {
        return Err(Error::invalid(format!(
            "'{name}' is the name of the question that every experiment has by itself: choose another"
        )));
    }
    Ok(())
}

/// Checks the words for whoever answers.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when they are too long.
pub fn check_instruction(instruction: &str) -> Result<(), Error> {
    crate::limits::at_most("instruction", instruction, INSTRUCTION)
}

fn within(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::invalid(format!("'{field}' cannot be empty")));
    }
    crate::limits::at_most(field, text, most)
}

impl Input {
    /// Checks that it is one way to answer, and one that can be gone.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE otherwise.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Input {
                pass_fail: Some(one),
                categorical: None,
                numeric: None,
                text: None,
            } => one.check(),
            Input {
                pass_fail: None,
                categorical: Some(one),
                numeric: None,
                text: None,
            } => one.check(),
            Input {
                pass_fail: None,
                categorical: None,
                numeric: Some(one),
                text: None,
            } => one.check(),
            Input {
                pass_fail: None,
                categorical: None,
                numeric: None,
                text: Some(one),
            } => one.check(),
            _ => Err(Error::invalid(
                "A label schema's input is exactly one of 'pass_fail', 'categorical', 'numeric' and 'text'",
            )),
        }
    }

    /// Checks that labels given under `old` can still be read.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE when it is another way to answer.
    pub fn may_follow(&self, old: &Input) -> Result<(), Error> {
        let shape = |input: &Input| {
            (
                input.pass_fail.is_some(),
                input.categorical.as_ref().map(|one| one.multi_select),
                input.numeric.is_some(),
                input.text.is_some(),
            )
        };
        if shape(self) == shape(old) {
            return Ok(());
        }
        Err(Error::invalid(
            "How a label schema is answered cannot be changed once it is made, nor whether several options may be chosen: make another schema",
        ))
    }
}

impl PassFail {
    fn check(&self) -> Result<(), Error> {
        within("positive_label", &self.positive_label, LABEL)?;
        within("negative_label", &self.negative_label, LABEL)?;
        if self.positive_label == self.negative_label {
            return Err(Error::invalid(format!(
                "'positive_label' and 'negative_label' are both '{}'",
                self.positive_label
            )));
        }
        Ok(())
    }
}

impl Categorical {
    fn check(&self) -> Result<(), Error> {
        let count = self.options.len();
        if !(1..=OPTIONS).contains(&count) {
            return Err(Error::invalid(format!(
                "'options' must be 1 to {OPTIONS} texts, and there are {count}"
            )));
        }
        let mut seen = BTreeSet::new();
        for option in &self.options {
            within("options", option, LABEL)?;
            if !seen.insert(option) {
                return Err(Error::invalid(format!("'{option}' is in 'options' twice")));
            }
        }
        Ok(())
    }
}

impl Numeric {
    fn check(&self) -> Result<(), Error> {
        match (self.min_value, self.max_value) {
            (Some(least), Some(most)) if least.0 >= most.0 => Err(Error::invalid(format!(
                "'min_value' must be less than 'max_value', and they are {} and {}",
                least.0, most.0
            ))),
            _ => Ok(()),
        }
    }
}

impl Text {
    fn check(&self) -> Result<(), Error> {
        match self.max_length {
            Some(most) if most < 1 => Err(Error::invalid(format!(
                "'max_length' must be at least 1, and it is {most}"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: &str) -> Input {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn inputs() {
        let many: Vec<String> = (0..11).map(|n| format!("\"{n}\"")).collect();
        let many = format!("{{\"categorical\": {{\"options\": [{}]}}}}", many.join(","));
        let long = format!(
            "{{\"categorical\": {{\"options\": [\"{}\"]}}}}",
            "x".repeat(65)
        );
        for (json, fine) in [
            (
                r#"{"pass_fail": {"positive_label": "y", "negative_label": "n"}}"#,
                true,
            ),
            (
                r#"{"pass_fail": {"positive_label": "y", "negative_label": "y"}}"#,
                false,
            ),
            (r#"{"pass_fail": {"positive_label": "y"}}"#, false),
            (
                r#"{"categorical": {"options": ["a", "b"], "multi_select": true}}"#,
                true,
            ),
            (r#"{"categorical": {"options": ["a", "a"]}}"#, false),
            (r#"{"categorical": {"options": [""]}}"#, false),
            (r#"{"categorical": {}}"#, false),
            (&many, false),
            (&long, false),
            (r#"{"numeric": {}}"#, true),
            (r#"{"numeric": {"min_value": "NaN", "max_value": 1}}"#, true),
            (r#"{"numeric": {"min_value": 1, "max_value": 1}}"#, false),
            (r#"{"text": {"max_length": "7"}}"#, true),
            (r#"{"text": {"max_length": 0}}"#, false),
            (r#"{"text": {}, "numeric": {}}"#, false),
            ("{}", false),
        ] {
            assert_eq!(input(json).check().is_ok(), fine, "{json}");
        }
    }

    #[test]
    fn what_may_follow_what() {
        let (one, some) = (
            r#"{"categorical": {"options": ["a"]}}"#,
            r#"{"categorical": {"options": ["a"], "multi_select": true}}"#,
        );
        let other = r#"{"categorical": {"options": ["b"]}}"#;
        for (old, new, fine) in [
            (one, other, true),
            (one, some, false),
            (one, r#"{"text": {}}"#, false),
            (r#"{"text": {}}"#, r#"{"text": {"max_length": 1}}"#, true),
        ] {
            let may = input(new).may_follow(&input(old));
            assert_eq!(may.is_ok(), fine, "{old} {new}");
        }
    }

    #[test]
    fn names_and_instructions() {
        for (name, fine) in [
            ("Is it correct?", true),
            ("", false),
            (" feedBACK ", false),
            (&"é".repeat(250), true),
            (&"é".repeat(251), false),
        ] {
            assert_eq!(check_name(name).is_ok(), fine, "{name}");
        }
        assert!(check_instruction(&"x".repeat(1000)).is_ok());
        assert!(check_instruction(&"x".repeat(1001)).is_err());
    }
}
