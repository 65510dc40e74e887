//! Arrows between crates: each crate knows those that its line in [`ARROWS`] names and no others.
//!
//! A new arrow is a decision about the architecture, so it is made here and in ARCHITECTURE.md, not in passing.

use serde_json::Value;

/// Every crate with the crates of ours that it may know, from the bottom up.
const ARROWS: &[(&str, &[&str])] = &[
    ("spec", &[]),
    ("stats", &[]),
    ("mlflow", &[]),
    ("inference", &[]),
    ("compare", &["stats", "inference"]),
    ("moving", &["mlflow"]),
    ("store", &[]),
    ("platform", &[]),
    ("pipe", &[]),
    ("engine", &["inference", "pipe"]),
    ("gateway", &["inference", "compare", "pipe"]),
    (
        "pipeline",
        &["spec", "store", "platform", "inference", "mlflow"],
    ),
    (
        "rollout",
        &["spec", "stats", "store", "platform", "gateway", "inference"],
    ),
    ("watch", &["spec", "stats", "store"]),
    ("guard", &["store"]),
    (
        "server",
        &[
            "spec",
            "stats",
            "mlflow",
            "inference",
            "compare",
            "store",
            "platform",
            "engine",
            "gateway",
            "pipeline",
            "rollout",
            "watch",
            "guard",
        ],
    ),
    (
        "mainspan",
        &[
            "spec", "moving", "store", "platform", "engine", "gateway", "guard", "server",
        ],
    ),
    (
        "testkit",
        &["engine", "guard", "platform", "server", "store"],
    ),
    ("fuzz", &[]),
    ("xtask", &["spec", "stats", "rollout", "server"]),
];

/// Crates that may be known by tests of any crate, and by nothing else.
const TESTS_ONLY: &[&str] = &["testkit", "fuzz"];

/// Crates without input and output, and what would bring it in.
const PURE: &[&str] = &["spec", "stats", "mlflow", "inference", "compare"];
const IMPURE: &[&str] = &[
    "tokio",
    "axum",
    "hyper",
    "rusqlite",
    "postgres",
    "object_store",
    "rustix",
];

/// What is wrong with the arrows, given the output of `cargo metadata --no-deps`.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let ours: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for (package, name) in packages.iter().zip(&ours) {
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| crate_name == name) else {
            wrong.push(format!(
                "crate `{name}` has no line in the table of arrows (crates/xtask/src/tidy/edges.rs)"
            ));
            continue;
        };
        let known = dependencies(package);
        wrong.extend(of_one(name, allowed, &ours, &known));
    }
    let gone = ARROWS.iter().filter(|(name, _)| !ours.contains(name));
    wrong.extend(
        gone.map(|(name, _)| format!("the table of arrows names `{name}`, which is no crate")),
    );
    wrong
}

fn of_one(name: &str, allowed: &[&str], ours: &[&str], known: &[(&str, bool)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (to, in_tests) in known {
        if ours.contains(to) {
            let fine = allowed.contains(to) || (*in_tests && TESTS_ONLY.contains(to));
            if !fine {
                wrong.push(format!(
                    "`{name}` must not know `{to}`: arrows point downwards (ARCHITECTURE.md)"
                ));
            }
        } else if !in_tests && PURE.contains(&name) && IMPURE.contains(to) {
            wrong.push(format!("`{name}` is pure and must not know `{to}`"));
        }
    }
    let unused = allowed
        .iter()
        .filter(|to| !known.iter().any(|(known, _)| known == *to));
    wrong.extend(unused.map(|to| {
        format!("the table of arrows lets `{name}` know `{to}`, which it does not: take it out")
    }));
    wrong
}

/// The dependencies of a package, each with whether only its tests have it.
fn dependencies(package: &Value) -> Vec<(&str, bool)> {
    let all = package["dependencies"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter_map(|one| Some((one["name"].as_str()?, one["kind"] == "dev")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_checked() {
        let ours = ["spec", "stats", "store", "watch", "testkit"];
        let check = |name: &str, allowed: &[&str], known: &[(&str, bool)], expect: &[&str]| {
            let wrong = of_one(name, allowed, &ours, known);
            assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
            for (wrong, expect) in wrong.iter().zip(expect) {
                assert!(wrong.contains(expect), "{wrong} says nothing of {expect}");
            }
        };
        check(
            "watch",
            &["store"],
            &[("store", false), ("tokio", false)],
            &[],
        );
        check(
            "store",
            &[],
            &[("watch", false)],
            &["must not know `watch`"],
        );
        check("store", &[], &[("watch", true)], &["must not know `watch`"]);
        check("store", &[], &[("testkit", true)], &[]);
        check(
            "store",
            &[],
            &[("testkit", false)],
            &["must not know `testkit`"],
        );
        check("spec", &[], &[("tokio", false)], &["is pure"]);
        check("spec", &[], &[("tokio", true)], &[]);
        check(
            "watch",
            &["store", "stats"],
            &[("store", false)],
            &["take it out"],
        );
    }

    #[test]
    fn the_table_points_downwards() {
        for (index, (name, allowed)) in ARROWS.iter().enumerate() {
            for to in *allowed {
                let below = ARROWS[..index].iter().any(|(lower, _)| lower == to);
                assert!(below, "`{name}` → `{to}` does not point downwards");
            }
        }
    }
}
