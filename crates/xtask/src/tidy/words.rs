//! Words that no file of the repository may have: paths of the machine that wrote them, hosts of package registries.
//!
//! Registries are set up once per machine, in the clients' own configuration; a name in a file would go round that.

use crate::tree::File;

/// Files that tools write: they name registries by their own rules.
const WRITTEN_BY_TOOLS: &[&str] = &["Cargo.lock"];

/// What may not be there, in two halves so that this file may. A half that begins with `/` is an absolute path.
const FORBIDDEN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/tmp/te", "am"),
    ("/ro", "ot/"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("registry.npmjs", ".org"),
    ("deb.debian", ".org"),
    ("sub", "agent"),
    ("sub-", "agent"),
    ("helper", " session"),
];

/// What is wrong with the words.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let Some(text) = &file.text else { continue };
        if WRITTEN_BY_TOOLS.contains(&file.path.as_str()) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let found = FORBIDDEN
                .iter()
                .map(|(a, b)| format!("{a}{b}"))
                .find(|word| says(line, word));
            if let Some(word) = found {
                wrong.push(format!(
                    "{}:{}: `{word}` has no place in this repository",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    wrong
}

/// Whether the line has the word; a path counts only where it begins at the root.
fn says(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    let inside_a_path = |before: char| before.is_alphanumeric() || "_-.~/}>)$*".contains(before);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(word.starts_with('/') && before.is_some_and(inside_a_path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let check = |line: &str, word: &str, expect: bool| {
            assert_eq!(says(line, word), expect, "{line}");
        };
        check("cd /srv/x", "/srv/", true);
        check("`/srv/x`", "/srv/", true);
        check("units/<id>/srv/x", "/srv/", false);
        check("a/srv/x", "/srv/", false);
        check("see https://Example.Org/x", "example.org", true);
        check("nothing", "example.org", false);
    }
}
