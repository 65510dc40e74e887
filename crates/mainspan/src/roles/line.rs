//! The command lines by which one role starts another.

use super::{gateway::Gateway, server::Server};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

/// A role's command line. The store's address is no part of it: command lines can be read by everybody on the machine,
/// and it may hold a password.
pub(super) struct Line(pub(super) Vec<String>);

impl Line {
    pub(super) fn new(role: &str, state: &Path) -> Self {
        Line(vec![
            role.to_owned(),
            "--state".to_owned(),
            state.display().to_string(),
        ])
    }

    /// Settings of the control plane.
    pub(super) fn server(&mut self, own: &Server) {
        self.option("--host", Some(own.host));
        self.option("--port", Some(own.port));
        self.option("--default-environment", Some(&own.default_environment));
        self.option("--blobs", own.blobs.as_ref());
        self.option("--traffic-archive", own.traffic_archive.as_ref());
        self.file("--key", own.key.as_ref());
        self.option("--gpus", own.gpus);
        self.option("--cpus", own.cpus);
        self.option("--memory", own.memory);
        for name in &own.host_names {
            self.option("--host-name", Some(name));
        }
        for allowed in &own.webhook_allow {
            self.option("--webhook-allow", Some(allowed));
        }
        self.flag("--no-anonymous-tracking", own.no_anonymous_tracking);
    }

    /// Settings of the data plane.
    pub(super) fn gateway(&mut self, own: &Gateway) {
        self.option("--data-host", Some(own.data_host));
        self.option("--data-port", Some(own.data_port));
        self.option("--threads", own.threads);
        self.file("--data-tokens", own.data_tokens.as_ref());
        self.flag("--no-traffic-log", own.no_traffic_log);
    }

    fn option(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }

    /// A whole path, as the role may be started elsewhere.
    fn file(&mut self, name: &str, path: Option<&PathBuf>) {
        let whole = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        self.option(name, whole.as_ref().map(|path| path.display()));
    }

    fn flag(&mut self, name: &str, set: bool) {
        if set {
            self.0.push(name.to_owned());
        }
    }
}
