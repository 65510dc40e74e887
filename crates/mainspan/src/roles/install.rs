//! `mainspan install`: a systemd unit that runs `mainspan up` after every boot, with the settings given here.

use super::{
    OWNER,
    gateway::Gateway,
    line::Line,
    replace,
    server::{STORE, Server},
};
use crate::{cli::Common, exit, output, place};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};
use store::StateDir;

/// Where to write the unit.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Print the unit in place of writing it
    #[arg(long)]
    print: bool,
    /// For this user only (systemctl --user)
    #[arg(long)]
    user: bool,
    /// Folder of the unit [default: /etc/systemd/system, or ~/.config/systemd/user]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    gateway: Gateway,
}

/// Where the store's address is kept, in the state directory that only its owner may enter: units can be read by
/// everybody.
const ENVIRONMENT: &str = "up.env";

impl Install {
    /// Writes or prints the unit.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let state = std::path::absolute(state)?;
        let mut up = Line::new("up", &state);
        up.server(&self.server);
        up.gateway(&self.gateway);
        let has_store = self.server.store != "sqlite";
        let environment = has_store.then(|| state.join(ENVIRONMENT));
        let unit = unit(
            &std::env::current_exe()?,
            &up.0,
            environment.as_deref(),
            self.user,
        );
        if self.print {
            output::raw(&unit)?;
            return Ok(exit::OK);
        }
        let folder = match (&self.to, self.user) {
            (Some(folder), _) => folder.clone(),
            (None, true) => PathBuf::from(
                std::env::var_os("HOME").context("HOME is not set: say where with --to")?,
            )
            .join(".config/systemd/user"),
            (None, false) => PathBuf::from("/etc/systemd/system"),
        };
        std::fs::create_dir_all(&folder).with_context(|| {
            format!(
                "cannot write to `{}`: use sudo, or --user",
                folder.display()
            )
        })?;
        if has_store {
            let address = format!("{STORE}={}\n", quoted(&self.server.store));
            keep_secret(&state, ENVIRONMENT, &address)?;
        }
        let path = folder.join("mainspan.service");
        std::fs::write(&path, unit)
            .with_context(|| format!("cannot write `{}`: use sudo, or --user", path.display()))?;
        let flag = if self.user { "--user " } else { "" };
        output::line(&format!(
            "Wrote {}. Start it with `systemctl {flag}enable --now mainspan`.",
            path.display()
        ))?;
        Ok(exit::OK)
    }
}

/// Writes a file of the state directory that only its owner may read.
fn keep_secret(state: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let file = StateDir::create(state)?.join(name);
    replace(&file, text, OWNER).with_context(|| format!("cannot write `{}`", file.display()))
}

/// As systemd reads it: one word, with nothing replaced in it.
fn word(text: &str) -> String {
    quoted(text).replace('%', "%%").replace('$', "$$")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn unit(program: &Path, up: &[String], environment: Option<&Path>, user: bool) -> String {
    let target = if user {
        "default.target"
    } else {
        "multi-user.target"
    };
    let program = word(&program.display().to_string());
    let arguments: Vec<String> = up.iter().map(|argument| word(argument)).collect();
    let environment = environment.map_or_else(String::new, |file| {
        format!(
            "# The store's address.\nEnvironmentFile={}\n",
            file.display()
        )
    });
    format!(
        "[Unit]
Description=Mainspan: models from commit to production
After=network.target

[Service]
ExecStart={program} {}
{environment}Restart=always
RestartSec=1
# Only the supervisor is stopped: it stops server and gateway, and steps and replicas go on.
KillMode=process
TimeoutStopSec=30
# Steps and replicas get control groups of their own.
Delegate=yes

[Install]
WantedBy={target}
",
        arguments.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        install: Install,
    }

    fn unit_of(arguments: &[&str]) -> String {
        let install = Only::parse_from([&["mainspan"], arguments].concat()).install;
        let mut up = Line::new("up", Path::new("/var/lib/main span"));
        up.server(&install.server);
        up.gateway(&install.gateway);
        let file = (install.server.store != "sqlite").then_some(Path::new("/s/up.env"));
        unit(Path::new("/usr/bin/mainspan"), &up.0, file, install.user)
    }

    #[test]
    fn the_unit_runs_up_with_the_settings_given() {
        let text = unit_of(&[
            "--store=postgres://me:secret@db/m",
            "--key=/etc/mainspan/100%.key",
            "--port=7000",
            "--data-port=7001",
            "--no-traffic-log",
        ]);
        let line = text
            .lines()
            .find(|line| line.starts_with("ExecStart="))
            .unwrap();
        let begin = r#"ExecStart="/usr/bin/mainspan" "up" "--state" "/var/lib/main span" "#;
        assert!(line.starts_with(begin), "{line}");
        for part in [
            r#""--port" "7000""#,
            r#""--data-port" "7001""#,
            r#""--key" "/etc/mainspan/100%%.key""#,
            r#""--no-traffic-log""#,
        ] {
            assert!(line.contains(part), "{line} has no {part}");
        }
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("EnvironmentFile=/s/up.env\n"), "{text}");
        assert!(text.contains("WantedBy=multi-user.target"), "{text}");
        assert!(unit_of(&["--user"]).contains("default.target"));
    }

    #[test]
    fn a_secret_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let file = state.join("up.env");
        keep_secret(&state, "up.env", "one").unwrap();
        keep_secret(&state, "up.env", "2").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "2");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(word(r#"a "b" \ $c"#), r#""a \"b\" \\ $$c""#);
    }
}
