//! Whether a new version takes the requests that the service gets today: asked before its roll-out begins, and when a
//! person promotes it. Pure.

use inference::{
    model::ModelDescription,
    signature::{self, Mismatch},
};
use serde::Deserialize as _;
use serde_json::Value;

/// What differs between the inputs of two versions, by their stored signatures. Without a signature (a model that was
/// registered by a client, say) nothing can be said, and the roll-out's judge has the word.
#[must_use]
pub fn difference(old: &Value, new: &Value) -> Option<Mismatch> {
    let (old, new) = (
        ModelDescription::deserialize(old).ok()?,
        ModelDescription::deserialize(new).ok()?,
    );
    signature::compatible(&old, &new).err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taking(name: &str, datatype: &str) -> Value {
        json!({ "inputs": [{ "name": name, "datatype": datatype, "shape": [-1, 1] }], "outputs": [] })
    }

    #[test]
    fn other_inputs_are_named() {
        let check = |new: &Value, expect: &str| {
            let got = difference(&taking("dep_delay", "FP32"), new)
                .map(|mismatch| mismatch.to_string())
                .unwrap_or_default();
            assert!(
                got.contains(expect) && got.is_empty() == expect.is_empty(),
                "{got}"
            );
        };
        check(&taking("dep_delay", "FP32"), "");
        check(
            &taking("dep_delay", "INT64"),
            "`dep_delay` was FP32 [-1, 1] and is INT64 [-1, 1]",
        );
        check(
            &taking("carrier", "FP32"),
            "`carrier` (FP32 [-1, 1]) is new",
        );
        check(&Value::Null, "");
        check(&json!({}), "");
    }
}
