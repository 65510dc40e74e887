//! The change log has a heading for what is coming or for the version that this is.

use crate::tree::File;

/// What is wrong with the change log.
pub(super) fn check(files: &[File], version: &str) -> Option<String> {
    let Some(file) = files.iter().find(|file| file.path == "CHANGELOG.md") else {
        return Some("CHANGELOG.md is missing".to_owned());
    };
    let text = file.text.as_deref().unwrap_or_default();
    let headed = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .any(|heading| {
            let name = heading
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_matches(['[', ']']);
            name == "Unreleased" || name == version
        });
    (!headed).then(|| format!("CHANGELOG.md: neither `## Unreleased` nor `## {version}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn headings_are_found() {
        let check = |text: &str, expect: bool| {
            let wrong = check(&[file("CHANGELOG.md", text)], "1.2.3");
            assert_eq!(wrong.is_none(), expect, "{text}");
        };
        check("# Changes\n\n## Unreleased\n", true);
        check("## [Unreleased]\n", true);
        check("## 1.2.3 (2026-11-24)\n", true);
        check("## 1.2.2\n", false);
        check("", false);
        assert!(super::check(&[], "1.2.3").is_some());
    }
}
