//! Copies what a source holds into a project, with ids, times and numbers.
//!
//! Order matters: experiments come first, logged models before the runs that measured them, files before the versions
//! that are made of them. Nothing is remembered here between two copies: what is there already is asked of the project.

mod evaluation;
pub(crate) mod files;
pub(crate) mod labels;
mod registry;
mod runs;
mod target;

pub use target::Target;

use crate::{
    error::Result,
    report::{Kind, Report},
    source::{Owner, Place, Source, pages},
    traces,
};
use labels::Labels;
use mlflow::moving::{Item, State};
use std::collections::HashMap;

/// What is copied, and how carefully.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Also files.
    pub files: bool,
    /// Also traces.
    pub traces: bool,
    /// Read files again that are there already, and compare their digests; else their sizes must do.
    pub verify: bool,
}

/// Called now and then with what was done so far, and what is being done.
pub type Progress<'a> = &'a mut dyn FnMut(&Report, &str);

/// One copy.
pub struct Import<'a> {
    source: &'a mut dyn Source,
    target: &'a Target,
    options: Options,
    progress: Progress<'a>,
    report: Report,
    /// The experiments' ids here by their ids there.
    experiments: HashMap<String, String>,
    labels: Labels,
}

impl std::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Import<'a> {
    /// A copy from a source into a project.
    pub fn new(
        source: &'a mut dyn Source,
        target: &'a Target,
        options: Options,
        progress: Progress<'a>,
    ) -> Self {
        Import {
            source,
            target,
            options,
            progress,
            report: Report::default(),
            experiments: HashMap::new(),
            labels: Labels::default(),
        }
    }

    /// Copies everything. What was done is in the report also when an error ends the copy.
    pub fn run(mut self) -> (Report, Result<()>) {
        let ended = self.everything();
        (self.report, ended)
    }

    fn everything(&mut self) -> Result<()> {
        let experiments = self.experiments()?;
        for (id, name) in &experiments {
            self.doing(&format!("logged models of {name}"));
            self.logged_models(id)?;
        }
        for (id, name) in &experiments {
            self.doing(&format!("runs of {name}"));
            self.runs(id)?;
        }
        self.doing("registered models");
        self.registry()?;
        self.doing("evaluation datasets");
        for (id, _) in &experiments {
            self.scorers(id)?;
        }
        self.evaluation_datasets()?;
        self.doing("webhooks");
        self.webhooks()?;
        if !self.options.traces {
            return Ok(());
        }
        for (id, name) in &experiments {
            self.doing(&format!("traces of {name}"));
            self.traces(id)?;
        }
        Ok(())
    }

    fn traces(&mut self, experiment: &str) -> Result<()> {
        let (base, home) = (self.target.base(), self.experiment(experiment));
        let into = traces::Into {
            http: self.target.http(),
            base: &base,
            experiment: &home,
            rename: &str::to_owned,
        };
        let (source, report) = (&mut *self.source, &mut self.report);
        pages(
            |after| source.traces(experiment, after),
            |some| into.put_all(&some, report),
        )
    }

    fn doing(&mut self, what: &str) {
        (self.progress)(&self.report, what);
    }

    /// Copies the experiments; their ids there, and names.
    fn experiments(&mut self) -> Result<Vec<(String, String)>> {
        self.doing("experiments");
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.source.experiments(after.as_deref())?;
            let items = page.items.iter().cloned().map(Item::Experiment).collect();
            let outcomes = self.target.take(items)?;
            for (one, outcome) in page.items.into_iter().zip(outcomes) {
                self.report.count(Kind::Experiments).found += 1;
                self.report
                    .tell_outcome(Kind::Experiments, &one.name, &outcome);
                if let Some(id) = outcome.id {
                    self.experiments.insert(one.experiment_id.clone(), id);
                    all.push((one.experiment_id, one.name));
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The id of an experiment here.
    fn experiment(&self, there: &str) -> String {
        self.experiments
            .get(there)
            .cloned()
            .unwrap_or_else(|| there.to_owned())
    }

    fn logged_models(&mut self, experiment: &str) -> Result<()> {
        let mut after = None;
        loop {
            let mut page = self.source.logged_models(experiment, after.as_deref())?;
            for model in &mut page.items {
                self.labels.learn(model);
                model.info.experiment_id = self.experiment(experiment);
                model.data.metrics.clear();
            }
            let items = page.items.iter().cloned().map(Item::LoggedModel).collect();
            let outcomes = self.target.take(items)?;
            for (model, outcome) in page.items.into_iter().zip(outcomes) {
                let id = model.info.model_id;
                self.report.count(Kind::LoggedModels).found += 1;
                self.report.tell_outcome(Kind::LoggedModels, &id, &outcome);
                if let (Some(to), true) = (outcome.artifact_uri, outcome.state != State::Failed) {
                    let owner = Owner::Model(id);
                    let uri = model.info.artifact_uri;
                    self.files(&Place { owner, uri }, &to)?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// Counts what a source holds, and copies nothing.
///
/// # Errors
/// When the source cannot be read.
pub fn survey(source: &mut dyn Source, options: Options, progress: Progress<'_>) -> Result<Report> {
    let mut report = Report::default();
    let mut experiments = Vec::new();
    pages(
        |after| source.experiments(after),
        |some| {
            experiments.extend(some.into_iter().map(|one| (one.experiment_id, one.name)));
            Ok(())
        },
    )?;
    report.count(Kind::Experiments).found = experiments.len() as u64;
    for (id, name) in &experiments {
        progress(&report, &format!("counting what is in {name}"));
        survey_one(source, id, options, &mut report)?;
    }
    registry::survey(source, &mut report)?;
    evaluation::survey(source, &mut report)?;
    Ok(report)
}

fn survey_one(
    source: &mut dyn Source,
    experiment: &str,
    options: Options,
    report: &mut Report,
) -> Result<()> {
    let mut places = Vec::new();
    let mut after = None;
    loop {
        let page = source.runs(experiment, after.as_deref())?;
        for run in page.items {
            report.count(Kind::Runs).found += 1;
            source.points(&run, &mut |some| {
                report.count(Kind::MetricPoints).found += some.len() as u64;
                Ok(())
            })?;
            places.push(Place {
                owner: Owner::Run(run.info.run_id),
                uri: run.info.artifact_uri,
            });
            count_files(source, &mut places, options, report);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    pages(
        |after| source.logged_models(experiment, after),
        |some| {
            report.count(Kind::LoggedModels).found += some.len() as u64;
            places.extend(some.into_iter().map(|one| Place {
                owner: Owner::Model(one.info.model_id),
                uri: one.info.artifact_uri,
            }));
            Ok(())
        },
    )?;
    count_files(source, &mut places, options, report);
    report.count(Kind::Scorers).found += source.scorers(experiment)?.len() as u64;
    if options.traces {
        pages(
            |after| source.traces(experiment, after),
            |some| {
                report.count(Kind::Traces).found += some.len() as u64;
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn count_files(
    source: &mut dyn Source,
    places: &mut Vec<Place>,
    options: Options,
    report: &mut Report,
) {
    for place in places.drain(..).filter(|_| options.files) {
        match source.files(&place) {
            Ok(files) => report.count(Kind::Files).found += files.len() as u64,
            Err(error) => report.tell(
                Kind::Files,
                &place.uri,
                State::Failed,
                Some(&error.to_string()),
            ),
        }
    }
}
