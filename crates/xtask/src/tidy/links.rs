//! Links between the documents: each leads somewhere, and the list of documents names them all.

use crate::tree::File;
use std::collections::BTreeSet;

/// The list of the documents.
const LIST: &str = "docs/README.md";

/// What is wrong with the links.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut known: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for file in files {
        let mut path = file.path.as_str();
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder.to_owned());
            path = folder;
        }
    }
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, target) in links(file.text.as_deref().unwrap_or_default()) {
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() {
                Some(file.path.clone())
            } else {
                resolve(&file.path, path)
            };
            let to = to.filter(|to| known.contains(to));
            let Some(to) = to else {
                wrong.push(format!("{}:{number}: `{target}` leads nowhere", file.path));
                continue;
            };
            if !fragment.is_empty() && to.ends_with(".md") && !has_heading(files, &to, fragment) {
                wrong.push(format!(
                    "{}:{number}: `{to}` has no heading `#{fragment}`",
                    file.path
                ));
            }
            if file.path == LIST {
                listed.insert(to);
            }
        }
    }
    let documents = files
        .iter()
        .map(|file| &file.path)
        .filter(|path| path.starts_with("docs/") && path.ends_with(".md") && *path != LIST);
    wrong.extend(
        documents
            .filter(|path| !listed.contains(*path))
            .map(|path| format!("{path}: not listed in {LIST}")),
    );
    wrong
}

/// The relative links of a document, outside its code, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let quoted = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !quoted && !elsewhere {
                found.push((number + 1, target));
            }
        }
    }
    found
}

/// A link of a document as a path from the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn has_heading(files: &[File], path: &str, fragment: &str) -> bool {
    let text = files
        .iter()
        .find(|file| file.path == path)
        .and_then(|file| file.text.as_deref());
    text.unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#').trim()) == fragment)
}

/// A heading's anchor, as repository pages make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn links_are_checked() {
        let check = |text: &str, expect: &[&str]| {
            let files = [
                file("README.md", text),
                file("docs/README.md", "[a](a.md)"),
                file("docs/a.md", "# The first\n"),
            ];
            let wrong = check(&files);
            assert_eq!(wrong.len(), expect.len(), "{text}: {wrong:?}");
            for (wrong, expect) in wrong.iter().zip(expect) {
                assert!(wrong.contains(expect), "{wrong} says nothing of {expect}");
            }
        };
        check("[a](docs/a.md), [b](https://b.example/x), [c](docs)", &[]);
        check("[a](docs/a.md#the-first)", &[]);
        check("[a](docs/a.md#the-second)", &["no heading `#the-second`"]);
        check(
            "\n[a](docs/b.md)",
            &["README.md:2: `docs/b.md` leads nowhere"],
        );
        check("[a](../b.md)", &["leads nowhere"]);
        check("```\n[a](b.md)\n```\n`x](y)`", &[]);
    }

    #[test]
    fn documents_are_listed() {
        let files = [file("docs/README.md", ""), file("docs/a.md", "")];
        assert_eq!(check(&files), ["docs/a.md: not listed in docs/README.md"]);
    }
}
