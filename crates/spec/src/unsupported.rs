//! What the file may say and this version does not do yet.
//!
//! Asked before a plan is shown or applied, so that nothing is silently ignored. The list is
//! closed: each entry goes when its machinery comes.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::file::{Override, Pipeline, ProjectFile, Service, SourceKind};

/// Every key of the file that asks for something that is not there yet, with its place.
pub fn unsupported(file: &ProjectFile) -> Vec<Diagnostic> {
    let mut refusal = Refusal {
        file,
        found: Vec::new(),
    };
    for (name, dataset) in &file.datasets {
        if dataset.source.kind() != SourceKind::File {
            let key = format!("datasets.{name}.source");
            refusal.note(
                &key,
                "a `source` that is not a file is",
                "copy the data into a file beside this one",
            );
        }
    }
    for (name, pipeline) in &file.pipelines {
        refusal.pipeline(&format!("pipelines.{name}"), pipeline);
    }
    for environment in &file.environments {
        for (name, service) in file.for_environment(environment).unwrap_or_default() {
            refusal.service(&file.service_path(environment, name), service);
        }
    }
    for (environment, over) in &file.overrides {
        refusal.overrides(&format!("overrides.{environment}"), over);
    }
    Diagnostics::of(refusal.found).map_or_else(Vec::new, Diagnostics::into_vec)
}

struct Refusal<'a> {
    file: &'a ProjectFile,
    found: Vec<Diagnostic>,
}

impl Refusal<'_> {
    fn note(&mut self, path: &str, what: &str, instead: &str) {
        let message = format!("{what} not supported yet; {instead}");
        self.found.push(self.file.diagnostic_at_key(path, message));
    }

    fn pipeline(&mut self, path: &str, pipeline: &Pipeline) {
        if pipeline.image.is_some() {
            self.note(
                &format!("{path}.image"),
                "`image` is",
                "use `python` with a `lock`",
            );
        }
        if !pipeline.secrets.is_empty() {
            self.note(
                &format!("{path}.secrets"),
                "`secrets` are",
                "remove the key",
            );
        }
        if pipeline.network.is_some() {
            self.note(
                &format!("{path}.network"),
                "`network` is",
                "remove the key; steps reach what this machine reaches",
            );
        }
    }

    fn service(&mut self, path: &str, service: &Service) {
        if service.resources.gpu > 0 {
            self.note(
                &format!("{path}.resources.gpu"),
                "`gpu` for replicas is",
                "set it to 0",
            );
        }
        if service.monitor.slo.is_some() {
            self.note(&format!("{path}.monitor.slo"), "`slo` is", "remove the key");
        }
    }

    fn overrides(&mut self, path: &str, over: &Override) {
        if over.approve.is_some() {
            self.note(
                &format!("{path}.approve"),
                "`approve` is",
                "remove the key; `mainspan pause` holds a roll-out",
            );
        }
        if over.platform.is_some() {
            self.note(
                &format!("{path}.platform"),
                "`platform` is",
                "remove the key; everything runs on this machine",
            );
        }
    }
}
