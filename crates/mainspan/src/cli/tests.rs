//! The command line against the words that tell people of it.

use super::Cli;
use clap::{Command, CommandFactory as _, Parser as _, error::ErrorKind};
use std::{fs, path::PathBuf};

/// The documents that people read, with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let within = |folder: &str| fs::read_dir(root.join(folder)).unwrap();
    let mut paths = vec![root.join("README.md")];
    paths.extend(within("docs").map(|entry| entry.unwrap().path()));
    paths.extend(within("examples").map(|entry| entry.unwrap().path().join("README.md")));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The words of a command as a shell reads them, up to a comment, another command or a file.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            Some(_) => word.get_or_insert_default().push(letter),
            None if matches!(letter, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None if matches!(letter, '|' | '>' | ';' | '&') => break,
            None if letter == '#' && word.is_none() => break,
            None => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Lines that are to be typed.
fn typed(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines);
    lines.flat_map(|line| line.split("&&")).filter_map(|line| {
        let line = line.trim().trim_start_matches("$ ");
        line.starts_with("mainspan ").then_some(line)
    })
}

/// What stands between backquotes, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether a verb has an option, or a verb below it has.
fn takes(verb: &Command, option: &str) -> bool {
    let mut own = verb.get_arguments();
    own.any(|argument| argument.get_long() == Some(option))
        || verb.get_subcommands().any(|below| takes(below, option))
}

#[test]
fn commands_to_be_typed_are_understood() {
    let mut count = 0;
    for (path, text) in documents() {
        for line in typed(&text) {
            let said = Cli::try_parse_from(words(line)).map_err(|error| error.to_string());
            assert!(said.is_ok(), "{}: `{line}`: {said:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "only {count} commands are found");
}

#[test]
fn commands_that_are_mentioned_exist() {
    let mut count = 0;
    for (path, text) in documents() {
        for line in
            quoted(&text).filter(|line| line.starts_with("mainspan ") && !line.contains("VERB"))
        {
            let Err(error) = Cli::try_parse_from(words(line)) else {
                continue;
            };
            let nonsense = matches!(
                error.kind(),
                ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
            );
            assert!(!nonsense, "{}: `{line}`: {error}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "none is found");
}

#[test]
fn options_in_the_tables_of_verbs_exist() {
    let mut cli = Cli::command();
    cli.build();
    let mut count = 0;
    let text = include_str!("../../../../docs/cli.md");
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let Some((first, told)) = row.trim_start_matches("| ").split_once(" | ") else {
            continue;
        };
        let verbs = quoted(first).filter_map(|verb| {
            let name = verb.split(' ').next()?;
            (!name.starts_with('-')).then(|| (name, cli.find_subcommand(name)))
        });
        for (name, verb) in verbs {
            let verb: &Command = verb.unwrap_or_else(|| panic!("there is no `{name}`"));
            count += 1;
            let options = quoted(told).filter_map(|option| option.strip_prefix("--"));
            for option in options.filter_map(|option| option.split(' ').next()) {
                assert!(takes(verb, option), "`{name} --{option}`");
            }
        }
    }
    assert!(count > 20, "only {count} verbs are found");
}
