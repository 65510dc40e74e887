//! What to do with a record that may be here already.
//!
//! Three states decide: what comes, what is here, and what an earlier import wrote. Nothing that was changed here since is
//! ever overwritten.

use super::Into;
use mlflow::moving::{Outcome, State};
use serde::Serialize;
use serde_json::Value;
use store::{Digest, Moved, Moving as _, Tx};

/// What is to be done with a record.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It is not here: write it.
    Create,
    /// It is here as an earlier import wrote it, and has changed where it comes from: write the change.
    Update,
    /// It is here, the same.
    Keep,
    /// It is here and differs in these fields.
    Differs(String),
}

/// Decides for one record of a kind.
pub(super) fn step<R: Serialize + PartialEq>(
    tx: &mut Tx<'_>,
    into: &Into,
    (kind, id): (&str, &str),
    here: Option<&R>,
    comes: &R,
) -> store::Result<Step> {
    let Some(here) = here else {
        return Ok(Step::Create);
    };
    let moved = tx.moved(&into.project, kind, id)?;
    Ok(decide(here, comes, moved.map(|one| one.digest).as_ref()))
}

fn decide<R: Serialize + PartialEq>(here: &R, comes: &R, moved: Option<&Digest>) -> Step {
    let (old, new) = (value(here), value(comes));
    if old == new {
        return Step::Keep;
    }
    if moved == Some(&digest(&old)) {
        return Step::Update;
    }
    Step::Differs(differing(&old, &new))
}

/// Remembers what a step wrote, if it wrote anything.
pub(super) fn remember<R: Serialize>(
    tx: &mut Tx<'_>,
    into: &Into,
    (kind, id): (&str, &str),
    step: &Step,
    written: &R,
) -> store::Result<()> {
    if !matches!(step, Step::Create | Step::Update) {
        return Ok(());
    }
    tx.set_moved(&Moved {
        project: into.project.clone(),
        kind: kind.to_owned(),
        id: id.to_owned(),
        digest: digest(&value(written)),
        moved_at: into.now,
    })
}

fn value<R: Serialize>(record: &R) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

fn digest(value: &Value) -> Digest {
    Digest::of(value.to_string().as_bytes())
}

fn differing(old: &Value, new: &Value) -> String {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return "differs".to_owned();
    };
    let fields = new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(value));
    let fields: Vec<&str> = fields.map(|(key, _)| key.as_str()).collect();
    format!("differs in {}", fields.join(", "))
}

/// The outcome of a step that was taken.
pub(super) fn outcome(step: Step) -> Outcome {
    let (state, why) = match step {
        Step::Create => (State::Copied, None),
        Step::Update => (State::Updated, None),
        Step::Keep => (State::Same, None),
        Step::Differs(fields) => (State::Different, Some(fields)),
    };
    Outcome {
        state,
        id: None,
        artifact_uri: None,
        why,
    }
}

/// A record that cannot be written.
pub(super) fn failed(why: impl std::convert::Into<String>) -> Outcome {
    Outcome {
        state: State::Failed,
        id: None,
        artifact_uri: None,
        why: Some(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_changed_here_is_overwritten() {
        let first = json!({ "name": "a", "size": 1 });
        let second = json!({ "name": "a", "size": 2 });
        let third = json!({ "name": "b", "size": 3 });
        let check = |here: &Value, comes: &Value, moved: Option<&Value>, expect: Step| {
            let moved = moved.map(digest);
            assert_eq!(
                decide(here, comes, moved.as_ref()),
                expect,
                "{here} {comes}"
            );
        };
        check(&first, &first, None, Step::Keep);
        check(&first, &first, Some(&first), Step::Keep);
        check(&first, &second, Some(&first), Step::Update);
        check(
            &first,
            &second,
            None,
            Step::Differs("differs in size".into()),
        );
        check(
            &second,
            &third,
            Some(&first),
            Step::Differs("differs in name, size".into()),
        );
        // Changed here as it was there.
        check(&second, &second, Some(&first), Step::Keep);
    }
}
