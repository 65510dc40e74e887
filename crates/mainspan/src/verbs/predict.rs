//! `predict`: one call to a service on the data plane, as an application would make it.

use super::file::Local;
use crate::{cli::Common, client::Client, exit, output, place, roles};
use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

/// How the gateway begins to say that there is no such service.
const NOTHING: &str = "nothing is served";

/// What to ask.
#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The service
    service: String,
    /// A row as JSON object, or an array of rows; `-` reads standard input
    row: String,
    /// The environment [default: the last one of the project file]
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// Address of the data plane [default: the one running on --state]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
}

impl Predict {
    /// Asks and prints the answer.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let text = if self.row == "-" {
            std::io::read_to_string(std::io::stdin())?
        } else {
            self.row
        };
        let row: Value = serde_json::from_str(&text).context("the row is not JSON")?;
        let environment = self.environment.unwrap_or_else(|| {
            let file = Local::read(common.file.as_deref()).map(|local| local.file);
            file.map_or_else(
                |_| "prod".to_owned(),
                |file| file.last_environment().to_owned(),
            )
        });
        let state = place::state_dir(common.state.as_deref())?;
        let url = self
            .data
            .or_else(|| roles::up::gateway_address(&state))
            .unwrap_or_else(|| format!("http://127.0.0.1:{}", place::DATA_PORT));
        let client = Client::new(Some(&url), common.token.as_deref(), common.state.as_deref())?;
        let answer = client.post(
            &format!("/{}/{environment}/{}", common.project()?, self.service),
            &row,
        );
        let answer = answer.map_err(|error| match error.to_string() {
            said if said.starts_with(NOTHING) => anyhow::anyhow!(
                "no version of `{}` serves in {environment}: `mainspan status` shows what does",
                self.service
            ),
            _ => error,
        })?;
        output::json(&answer)?;
        Ok(exit::OK)
    }
}
