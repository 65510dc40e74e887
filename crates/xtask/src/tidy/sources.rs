//! Rust sources: they say what they are for, stay short, and skip no test.

use crate::tree::File;

/// No source may be longer.
const HARD: usize = 1000;
/// Longer sources are named in [`LONG`].
const LIMIT: usize = 600;
/// Sources above [`LIMIT`] lines. This list only ever shrinks.
const LONG: &[&str] = &[];

/// What is wrong with the sources.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut long = Vec::new();
    for file in files.iter().filter(|file| is_source(&file.path)) {
        let Some(text) = &file.text else {
            wrong.push(format!("{}: not UTF-8", file.path));
            continue;
        };
        wrong.extend(of_one(&file.path, text));
        let lines = text.lines().count();
        if lines > LIMIT {
            long.push(file.path.as_str());
            if lines > HARD || !LONG.contains(&file.path.as_str()) {
                wrong.push(format!(
                    "{}: {lines} lines; split it by subject ({LIMIT} at most, better 400)",
                    file.path
                ));
            }
        }
    }
    let needless = LONG.iter().filter(|path| !long.contains(path));
    wrong.extend(
        needless.map(|path| format!("{path}: no longer long; take it off the list of exceptions")),
    );
    wrong
}

fn of_one(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//!") {
        wrong.push(format!(
            "{path}:1: open with `//!`: what it is for, who calls it, what it must never do"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let attribute = line.trim_start();
        if attribute.starts_with("#[ignore") {
            wrong.push(format!(
                "{path}:{}: a test is run or deleted, never ignored",
                number + 1
            ));
        }
        if attribute.starts_with("#[allow(") || attribute.starts_with("#![allow(") {
            wrong.push(format!(
                "{path}:{}: use #[expect(…, reason = \"…\")]",
                number + 1
            ));
        }
    }
    wrong
}

fn is_source(path: &str) -> bool {
    path.starts_with("crates/") && path.ends_with(".rs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn sources_are_checked() {
        let check = |path: &str, text: &str, expect: &[&str]| {
            let wrong = check(&[file(path, text)]);
            assert_eq!(wrong.len(), expect.len(), "{path}: {wrong:?}");
            for (wrong, expect) in wrong.iter().zip(expect) {
                assert!(wrong.contains(expect), "{wrong} says nothing of {expect}");
            }
        };
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        check("crates/a/src/lib.rs", "//! Good.\n", &[]);
        check("crates/a/src/lib.rs", "use b;\n", &["lib.rs:1: open with"]);
        check("crates/a/src/lib.rs", "", &["open with"]);
        check("crates/a/src/lib.rs", &lines(600), &[]);
        check("crates/a/src/lib.rs", &lines(601), &["601 lines"]);
        check(
            "crates/a/tests/it/main.rs",
            "//! It.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n",
            &["main.rs:3: a test is run"],
        );
        check(
            "crates/a/src/lib.rs",
            "//! It.\n#[allow(dead_code)]\nfn a() {}\n",
            &["lib.rs:2: use #[expect"],
        );
        check("examples/a.rs", "fn main() {}", &[]);
        check("crates/a/README.md", "Read me", &[]);
    }
}
