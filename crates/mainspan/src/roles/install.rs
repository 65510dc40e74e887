//! `mainspan install`: a systemd unit that runs `mainspan up` after every boot.

use crate::{cli::Common, exit, output, place};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};

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
}

impl Install {
    /// Writes or prints the unit.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let unit = unit(&std::env::current_exe()?, &state, self.user);
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

fn unit(program: &Path, state: &Path, user: bool) -> String {
    let target = if user {
        "default.target"
    } else {
        "multi-user.target"
    };
    format!(
        "[Unit]
Description=Mainspan: models from commit to production
After=network.target

[Service]
ExecStart=\"{}\" up --state \"{}\"
Restart=always
RestartSec=1
# Only the supervisor is stopped: it stops server and gateway, and running steps go on.
KillMode=mixed
TimeoutStopSec=30
# Steps and replicas get control groups of their own.
Delegate=yes

[Install]
WantedBy={target}
",
        program.display(),
        state.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_up_on_the_state_directory() {
        let text = unit(
            Path::new("/usr/bin/mainspan"),
            Path::new("/var/lib/main span"),
            false,
        );
        assert!(
            text.contains("ExecStart=\"/usr/bin/mainspan\" up --state \"/var/lib/main span\""),
            "{text}"
        );
        assert!(
            text.contains("WantedBy=multi-user.target")
                && unit(Path::new("/m"), Path::new("/s"), true).contains("default.target")
        );
    }
}
