//! `doctor`: what works here and what does not.

use crate::{
    cli::Common,
    exit,
    output::{self, Format, text},
};
use serde_json::Value;

/// Asks the server, or looks itself when none runs.
pub(crate) fn run(common: &Common) -> anyhow::Result<u8> {
    let answer = match common.client()?.get("/api/v1/doctor") {
        Ok(answer) => answer,
        Err(error) => {
            serde_json::json!({ "findings": platform::doctor(), "server": format!("{error:#}") })
        }
    };
    if common.output == Format::Json {
        return output::json(&answer).map(|()| exit::OK);
    }
    let rows = output::rows(&answer["findings"])?
        .iter()
        .map(|f| vec![text(&f["level"]), text(&f["name"]), text(&f["text"])]);
    output::table(&["", "WHAT", "FOUND"], rows.collect(), "")?;
    if answer["gateway"]["ok"] == true {
        let replicas = output::rows(&answer["gateway"]["health"]["replicas"]).map_or(0, Vec::len);
        output::line(&format!(
            "gateway    answers; {replicas} replicas are known to it"
        ))?;
    }
    for (name, value) in [
        ("server", &answer["server"]),
        ("gateway", &answer["gateway"]["error"]),
    ] {
        if let Value::String(text) = value {
            output::line(&format!("warn  {name}  {text}"))?;
        }
    }
    Ok(exit::OK)
}
