//! Random inputs for minutes: `cargo xtask fuzz`. The targets are tests, which try a few thousand inputs by themselves.

use anyhow::{Context as _, bail};
use std::process::{Command, ExitCode};

/// A target: its name, its crate, and where the test is.
struct Target {
    name: &'static str,
    package: &'static str,
    kind: &'static [&'static str],
    test: &'static str,
}

const fn inference(name: &'static str) -> Target {
    Target {
        name,
        package: "inference",
        kind: &["--test", "fuzz"],
        test: name,
    }
}

const fn gateway(name: &'static str, test: &'static str) -> Target {
    Target {
        name,
        package: "gateway",
        kind: &["--lib"],
        test,
    }
}

const TARGETS: &[Target] = &[
    inference("oip"),
    inference("binary"),
    inference("grpc"),
    inference("rows"),
    inference("v1"),
    inference("scoring"),
    inference("csv"),
    inference("requests"),
    inference("replies"),
    gateway("heads", "edge::plain::head::tests::fuzz_heads"),
    gateway("fields", "fields::tests::fuzz_fields"),
    gateway("messages", "grpc::head::tests::fuzz_messages"),
];

/// What to try, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these: oip, binary, grpc, rows, v1, scoring, csv, requests, replies, heads, fields, messages
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How long each
    #[arg(long, default_value = "10")]
    minutes: u64,
    /// Other inputs than the last time
    #[arg(long)]
    seed: Option<u64>,
    /// Cargo's profile
    #[arg(long, default_value = "long")]
    profile: String,
}

impl Args {
    /// Runs the targets, those of a crate side by side.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let unknown = |name: &&String| TARGETS.iter().all(|target| target.name != **name);
        if let Some(name) = self.names.iter().find(unknown) {
            bail!("there is no target `{name}`; --help names them");
        }
        let mut failed = false;
        for package in ["inference", "gateway"] {
            let wanted = |target: &&Target| {
                let named = self.names.iter().any(|name| name == target.name);
                target.package == package && (named || self.names.is_empty())
            };
            let targets: Vec<_> = TARGETS.iter().filter(wanted).collect();
            if let Some(first) = targets.first() {
                let mut command = self.command(package, first.kind);
                command.args(targets.iter().map(|target| target.test));
                command.arg(format!("--test-threads={}", targets.len()));
                failed |= !command.status().context("cannot run cargo")?.success();
            }
        }
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn command(&self, package: &str, kind: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "test",
                "--locked",
                "--profile",
                &self.profile,
                "-p",
                package,
            ])
            .args(kind)
            .args(["--", "--exact", "--nocapture"])
            .env("MAINSPAN_FUZZ_SECONDS", (self.minutes * 60).to_string());
        if let Some(seed) = self.seed {
            command.env("MAINSPAN_FUZZ_SEED", seed.to_string());
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_the_tests_that_there_are() {
        let root = crate::tree::root();
        let inference = std::fs::read_to_string(root.join("crates/inference/tests/fuzz.rs"));
        let inference = inference.unwrap();
        for target in TARGETS.iter().filter(|t| t.package == "inference") {
            assert!(inference.contains(&format!("fn {}()", target.test)));
        }
        for target in TARGETS.iter().filter(|t| t.package == "gateway") {
            let (path, name) = target.test.rsplit_once("::").unwrap();
            let modules = path.strip_suffix("::tests").unwrap().replace("::", "/");
            let places = [format!("{modules}.rs"), format!("{modules}/tests.rs")];
            let found = places.iter().any(|place| {
                let path = root.join("crates/gateway/src").join(place);
                std::fs::read_to_string(path)
                    .is_ok_and(|text| text.contains(&format!("fn {name}()")))
            });
            assert!(found, "{}", target.test);
        }
        let tests = inference.matches("#[test]").count();
        let known = TARGETS.iter().filter(|t| t.package == "inference").count();
        assert_eq!(tests, known, "a target is not named");
    }
}
