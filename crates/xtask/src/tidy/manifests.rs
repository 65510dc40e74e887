//! Manifests: every crate inherits the lints and what the workspace says about all crates, and its folder has its name.

use crate::tree::File;

/// Lines that every crate's manifest has.
const INHERITED: &[&str] = &[
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
];

/// What is wrong with the manifests.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let folder = file
            .path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"));
        if let (Some(folder), Some(text)) = (folder, &file.text) {
            wrong.extend(
                of_one(folder, text)
                    .into_iter()
                    .map(|what| format!("{}: {what}", file.path)),
            );
        }
    }
    wrong.extend(unused(files));
    if !files.iter().any(|file| file.path == "LICENSE") {
        wrong.push("LICENSE is missing".to_owned());
    }
    wrong
}

fn of_one(folder: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let package = section(&lines, "[package]");
    let missing = INHERITED.iter().filter(|line| !package.contains(line));
    wrong.extend(missing.map(|line| format!("[package] lacks `{line}`")));
    if !package.contains(&format!("name = \"{folder}\"").as_str()) {
        wrong.push(format!("the crate in this folder is called `{folder}`"));
    }
    if !section(&lines, "[lints]").contains(&"workspace = true") {
        wrong.push("`[lints]` lacks `workspace = true`".to_owned());
    }
    for name in [
        "[dependencies]",
        "[dev-dependencies]",
        "[build-dependencies]",
    ] {
        let own = section(&lines, name)
            .iter()
            .filter(|line| line.contains('=') && !line.starts_with('#'))
            .filter(|line| !line.contains("workspace = true"));
        wrong.extend(own.map(|line| {
            format!("`{line}`: name the version in the root manifest and say `.workspace = true`")
        }));
    }
    wrong
}

/// Dependencies that the root manifest names and no crate has.
fn unused(files: &[File]) -> Vec<String> {
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.and_then(|file| file.text.as_deref())
            .unwrap_or_default()
    };
    let named: Vec<&str> = text("Cargo.toml").lines().map(str::trim).collect();
    let crates: Vec<&str> = files
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
        .filter_map(|file| file.text.as_deref())
        .flat_map(str::lines)
        .collect();
    let name = |line: &&str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    section(&named, "[workspace.dependencies]")
        .iter()
        .filter(|line| !line.starts_with('#'))
        .filter_map(name)
        .filter(|name| {
            let (short, long) = (format!("{name}.workspace"), format!("{name} = {{"));
            !crates
                .iter()
                .any(|line| line.starts_with(&short) || line.starts_with(&long))
        })
        .map(|name| format!("Cargo.toml: no crate uses `{name}`; take it out"))
        .collect()
}

/// The lines of a section, without its heading.
fn section<'a>(lines: &'a [&'a str], heading: &str) -> &'a [&'a str] {
    let Some(start) = lines.iter().position(|line| *line == heading) else {
        return &[];
    };
    let rest = &lines[start + 1..];
    let end = rest
        .iter()
        .position(|line| line.starts_with('['))
        .unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
        [lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\n\
        jiff = { workspace = true, features = [\"tz\"] }\n";

    #[test]
    fn manifests_are_checked() {
        let check = |text: &str, expect: &[&str]| {
            let wrong = check(&[file("LICENSE", ""), file("crates/a/Cargo.toml", text)]);
            assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
            for (wrong, expect) in wrong.iter().zip(expect) {
                assert!(wrong.contains(expect), "{wrong} says nothing of {expect}");
            }
        };
        check(GOOD, &[]);
        check(
            &GOOD.replace("[lints]\nworkspace = true\n", ""),
            &["[lints]"],
        );
        check(
            &GOOD.replace("license.workspace = true\n", ""),
            &["license.workspace"],
        );
        check(
            &GOOD.replace("name = \"a\"", "name = \"b\""),
            &["called `a`"],
        );
        check(
            &GOOD.replace("serde.workspace = true", "serde = \"1\""),
            &["serde = \"1\""],
        );
    }

    #[test]
    fn dependencies_that_nobody_uses_are_seen() {
        let root = "[workspace.dependencies]\n# small\nserde = \"1\"\njiff = \"0.2\"\nurl = \"2\"\n\n[profile.dev]\ndebug = false\n";
        let wrong = check(&[
            file("LICENSE", ""),
            file("Cargo.toml", root),
            file("crates/a/Cargo.toml", GOOD),
        ]);
        assert_eq!(wrong, ["Cargo.toml: no crate uses `url`; take it out"]);
    }

    #[test]
    fn a_missing_licence_is_seen() {
        assert_eq!(check(&[]), ["LICENSE is missing"]);
    }
}
