//! The key under which a step's result is kept: everything that could change it, and nothing else.
//!
//! Pure. Two steps with the same key would do the same work on the same bytes with the same tools.

use indexmap::IndexMap;
use serde_json::json;
use spec::{Scalar, Step};
use std::collections::BTreeMap;
use store::Digest;

/// Changes whenever the meaning of a key changes, so that old results are not taken for new ones.
const GENERATION: u32 = 1;

/// What a step's result depends on.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// The step as the file has it.
    pub step: &'a Step,
    /// Digest of the snapshot's files that the step sees.
    pub files: &'a Digest,
    /// Digest of each input by name.
    pub inputs: &'a BTreeMap<String, Digest>,
    /// Digest of the toolchain.
    pub toolchain: Option<&'a Digest>,
    /// Parameters with this cell's values.
    pub params: &'a IndexMap<String, Scalar>,
}

/// The key.
pub fn key(of: &Ingredients<'_>) -> Digest {
    let params: BTreeMap<&String, &Scalar> = of.params.iter().collect();
    let canonical = json!([
        GENERATION,
        of.step.run,
        of.files.as_str(),
        of.inputs
            .iter()
            .map(|(name, digest)| (name, digest.as_str()))
            .collect::<BTreeMap<_, _>>(),
        of.toolchain.map(Digest::as_str),
        params,
        of.step.writes,
        of.step.metrics,
    ]);
    Digest::of(canonical.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::tests::train,
        snapshot::{Entry, Manifest},
    };

    fn entry(path: &str, text: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            executable: false,
            digest: Digest::of(text.as_bytes()),
            size: text.len() as u64,
        }
    }

    #[test]
    fn every_ingredient_counts_and_unseen_files_do_not() {
        let mut step = train().steps["fit"].clone();
        step.files = Some(vec!["fit.py".to_owned(), "lib/**".to_owned()]);
        let seen = |files: Vec<Entry>| {
            let files = Manifest::new(files).visible(step.files.as_deref());
            files.digest()
        };
        let files = seen(vec![
            entry("fit.py", "a"),
            entry("lib/x.py", "b"),
            entry("README", "c"),
        ]);
        let inputs = BTreeMap::from([("train".to_owned(), Digest::of(b"1"))]);
        let tools = Digest::of(b"tools");
        let params = IndexMap::from([("trees".to_owned(), Scalar::Int(200))]);
        let base = Ingredients {
            step: &step,
            files: &files,
            inputs: &inputs,
            toolchain: Some(&tools),
            params: &params,
        };
        let original = key(&base);
        assert_eq!(original, key(&base));

        let readme = seen(vec![
            entry("fit.py", "a"),
            entry("lib/x.py", "b"),
            entry("README", "changed"),
        ]);
        assert_eq!(
            original,
            key(&Ingredients {
                files: &readme,
                ..base
            }),
            "a file that the step does not see"
        );

        let library = seen(vec![entry("fit.py", "a"), entry("lib/x.py", "changed")]);
        let other_input = BTreeMap::from([("train".to_owned(), Digest::of(b"2"))]);
        let other_params = IndexMap::from([("trees".to_owned(), Scalar::Int(100))]);
        let mut other_step = step.clone();
        other_step.run.push_str(" --fast");
        let base = || Ingredients {
            step: &step,
            files: &files,
            inputs: &inputs,
            toolchain: Some(&tools),
            params: &params,
        };
        for (what, changed) in [
            (
                "a file",
                Ingredients {
                    files: &library,
                    ..base()
                },
            ),
            (
                "an input",
                Ingredients {
                    inputs: &other_input,
                    ..base()
                },
            ),
            (
                "a parameter",
                Ingredients {
                    params: &other_params,
                    ..base()
                },
            ),
            (
                "the tools",
                Ingredients {
                    toolchain: None,
                    ..base()
                },
            ),
            (
                "the command",
                Ingredients {
                    step: &other_step,
                    ..base()
                },
            ),
        ] {
            assert_ne!(original, key(&changed), "{what}");
        }
    }
}
