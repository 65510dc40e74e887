//! `users`: made, listed, given another password, removed.

use crate::{
    cli::Common,
    client::escape,
    exit,
    output::{self, Format, ago, text},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use guard::Role;
use serde_json::{Value, json};

/// What to do with users.
#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them (the default)
    List,
    /// Make one, who signs in with name and password
    Create {
        /// What they sign in with (MLFLOW_TRACKING_USERNAME)
        name: String,
        /// viewer, developer, operator or admin
        #[arg(long, default_value = "developer")]
        role: Role,
        /// Good for every project, not only this one
        #[arg(long)]
        all_projects: bool,
        #[command(flatten)]
        password: Password,
    },
    /// Give one another password
    Passwd {
        /// Their name
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Remove one
    Delete {
        /// Their name
        name: String,
    },
}

/// Where the password comes from. Never the command line, which others can see.
#[derive(Debug, Args)]
struct Password {
    /// Read it from the first line of the standard input, in place of one that is made up and shown this once
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    fn read(&self) -> anyhow::Result<Option<String>> {
        if !self.password_stdin {
            return Ok(None);
        }
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("cannot read the password from the standard input")?;
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Users {
    /// Does it.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let client = common.client()?;
        match self.verb.unwrap_or(Verb::List) {
            Verb::List => return list(&client.get("/api/v1/users")?, common.output),
            Verb::Create {
                name,
                role,
                all_projects,
                password,
            } => {
                let project = if all_projects {
                    None
                } else {
                    Some(common.project()?)
                };
                let body = json!({ "name": name, "role": role, "project": project, "password": password.read()? });
                let made = client.post("/api/v1/users/create", &body)?;
                show(&made, common.output, &format!("User {name} ({role})"))?;
            }
            Verb::Passwd { name, password } => {
                let body = json!({ "password": password.read()? });
                let path = format!("/api/v1/users/{}/password", escape(&name));
                let made = client.post(&path, &body)?;
                show(
                    &made,
                    common.output,
                    &format!("User {name} has another password"),
                )?;
            }
            Verb::Delete { name } => {
                client.delete(&format!("/api/v1/users/{}", escape(&name)))?;
                output::line(&format!("User {name} is gone."))?;
            }
        }
        Ok(exit::OK)
    }
}

fn list(users: &Value, format: Format) -> anyhow::Result<u8> {
    if format == Format::Json {
        return output::json(users).map(|()| exit::OK);
    }
    let rows = output::rows(users)?.iter().map(|user| {
        let fields = ["name", "role", "project"].map(|field| text(&user[field]));
        let grants = user["grants"].as_u64().unwrap_or_default().to_string();
        [fields.to_vec(), vec![grants, ago(&user["created_at"])]].concat()
    });
    let none = "No users; callers use tokens.";
    output::table(
        &["NAME", "ROLE", "PROJECT", "GRANTS", "MADE"],
        rows.collect(),
        none,
    )?;
    Ok(exit::OK)
}

/// A password that was made up is shown this once.
fn show(answer: &Value, format: Format, done: &str) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(answer);
    }
    match answer["password"].as_str() {
        Some(password) => {
            eprintln!("{done}; keep the password now, it is not shown again:");
            output::line(password)
        }
        None => output::line(&format!("{done}.")),
    }
}
