//! `tokens`: made, listed, revoked.

use crate::{
    cli::Common,
    client::escape,
    exit,
    output::{self, Format, ago, text},
};
use clap::{Args, Subcommand};
use guard::Role;
use serde_json::json;

/// What to do with tokens.
#[derive(Debug, Args)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them (the default)
    List,
    /// Make one; its text is shown this once
    Create {
        /// Who or what uses it
        name: String,
        /// viewer, developer, operator or admin
        #[arg(long, default_value = "developer")]
        role: Role,
        /// Good for every project, not only this one
        #[arg(long)]
        all_projects: bool,
        /// Days until it ends
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// End one
    Revoke {
        /// Its id, as listed
        id: String,
    },
}

impl Tokens {
    /// Does it.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let client = common.client()?;
        match self.verb.unwrap_or(Verb::List) {
            Verb::List => {
                let tokens = client.get("/api/v1/tokens")?;
                if common.output == Format::Json {
                    return output::json(&tokens).map(|()| exit::OK);
                }
                let rows = output::rows(&tokens)?.iter().map(|t| {
                    vec![
                        text(&t["id"]),
                        text(&t["name"]),
                        text(&t["role"]),
                        text(&t["project"]),
                        ago(&t["created_at"]),
                        text(&t["expires_at"]),
                    ]
                });
                output::table(
                    &["ID", "NAME", "ROLE", "PROJECT", "MADE", "ENDS"],
                    rows.collect(),
                    "No tokens; the owner's is in the state directory.",
                )?;
            }
            Verb::Create {
                name,
                role,
                all_projects,
                days,
            } => {
                let project = if all_projects {
                    None
                } else {
                    Some(common.project()?)
                };
                let body = json!({ "name": name, "role": role, "project": project, "lifetime": days.saturating_mul(86_400) });
                let made = client.post("/api/v1/tokens/create", &body)?;
                if common.output == Format::Json {
                    return output::json(&made).map(|()| exit::OK);
                }
                eprintln!(
                    "Token {} ({role}); keep it now, it is not shown again:",
                    text(&made["id"])
                );
                output::line(&text(&made["token"]))?;
            }
            Verb::Revoke { id } => {
                client.delete(&format!("/api/v1/tokens/{}", escape(&id)))?;
                output::line(&format!("Token {id} is no longer good."))?;
            }
        }
        Ok(exit::OK)
    }
}
