//! Asking a server in this process, and the records that tests of its doors start from.

use serde_json::{Value, json};
use testkit::{
    Server,
    http::{self, Answer},
};

/// The base of project `flights`.
pub(crate) const BASE: &str = "/p/flights/api/2.0/mlflow";

/// The same for what came with version 3.
pub(crate) const BASE3: &str = "/p/flights/api/3.0/mlflow";

/// A server to ask.
pub(crate) struct Asking<'s>(&'s Server);

impl<'s> Asking<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Asking(server)
    }

    /// One call; header lines as they are sent.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[String], body: &[u8]) -> Answer {
        tokio::task::block_in_place(|| http::ask(self.0.address(), method, path, headers, body))
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The owner's token.
    pub(crate) fn owner_token(&self) -> &str {
        self.0.owner_token()
    }

    /// A call by the owner.
    pub(crate) fn owner(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let owner = format!("authorization: Bearer {}", self.0.owner_token());
        self.ask(method, path, &[owner], body)
    }

    /// A call by the owner that must go well; its answer.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.owner(method, path, body.to_string().as_bytes());
        assert!(
            answer.status < 300,
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        answer.json()
    }

    /// A token with a role, in one project or in all.
    pub(crate) fn token(&self, name: &str, role: &str, project: Option<&str>) -> String {
        let body = json!({ "name": name, "role": role, "project": project });
        let made = self.done("POST", "/api/v1/tokens/create", &body);
        made["token"].as_str().unwrap().to_owned()
    }

    /// An experiment and a run in it with the file `a.txt`.
    pub(crate) fn run(&self, name: &str) -> (String, String) {
        let made = self.done(
            "POST",
            &format!("{BASE}/experiments/create"),
            &json!({ "name": name }),
        );
        let experiment = made["experiment_id"].as_str().unwrap().to_owned();
        let body = json!({ "experiment_id": experiment, "start_time": 1 });
        let run = self.done("POST", &format!("{BASE}/runs/create"), &body);
        let run = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let path = format!("{BASE}-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt");
        assert_eq!(self.owner("PUT", &path, b"mine").status, 200);
        (experiment, run)
    }
}
