//! Whether what one section says of another holds: names exist, the graph has no cycle, what is
//! judged can be measured.
//!
//! Called once, by [`crate::parse`], when every section has been read. It must never change
//! the file.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, did_you_mean, shown};
use crate::file::{Measure, Pipeline, ProjectFile, Select, Service, Step};
use crate::names::env_name;

/// Every reference that does not hold.
pub(crate) fn check(file: &ProjectFile) -> Vec<Diagnostic> {
    let mut checker = Checker {
        file,
        found: Vec::new(),
    };
    for (name, pipeline) in &file.pipelines {
        checker.pipeline(name, pipeline);
    }
    checker.services();
    checker.overrides();
    checker.found
}

const MOST: usize = 100;

struct Checker<'a> {
    file: &'a ProjectFile,
    found: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.found.push(self.file.diagnostic_at(path, message));
    }

    /// Notes a mistake that is about a key.
    fn wrong_key(&mut self, path: &str, message: impl Into<String>) {
        self.found.push(self.file.diagnostic_at_key(path, message));
    }

    /// Notes a name that is not among the known ones.
    fn known<'k>(
        &mut self,
        path: &str,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> bool {
        let known: Vec<&str> = known.into_iter().collect();
        if known.contains(&name) {
            return true;
        }
        // Suggestions cost time, and nobody reads a thousand of them.
        if self.found.len() > MOST {
            return false;
        }
        let mut hint = did_you_mean(name, known.iter().copied());
        if hint.is_empty() {
            hint = match known.as_slice() {
                [] => "; there is none".to_owned(),
                some => format!("; there is {}", some.join(", ")),
            };
        }
        self.wrong(path, format!("there is no {what} `{}`{hint}", shown(name)));
        false
    }

    fn pipeline(&mut self, name: &str, pipeline: &'a Pipeline) {
        let path = format!("pipelines.{name}");
        if pipeline.python.is_some() && pipeline.image.is_some() {
            self.wrong(
                &format!("{path}.image"),
                "a pipeline has `python` or `image`, not both; remove one",
            );
        }
        for (index, alert) in pipeline.triggers.alerts.iter().enumerate() {
            let known: Vec<&str> = self.file.alerts.keys().map(String::as_str).collect();
            self.known(
                &format!("{path}.triggers.alerts.{index}"),
                "alert",
                alert,
                known,
            );
        }
        self.writes(&path, pipeline);
        for (step_name, step) in &pipeline.steps {
            self.step(
                &format!("{path}.steps.{step_name}"),
                step_name,
                step,
                pipeline,
            );
        }
        self.cycles(&path, pipeline);
        if let Some(register) = &pipeline.register {
            let from = format!("{path}.register.from");
            let steps = pipeline.steps.keys().map(String::as_str);
            if self.known(&from, "step", &register.from.step, steps) {
                let writes = pipeline.steps[&register.from.step]
                    .writes
                    .iter()
                    .map(String::as_str);
                self.known(&from, "output", &register.from.output, writes);
            }
        }
    }

    /// Each output has one writer, and no output takes a dataset's name.
    fn writes(&mut self, path: &str, pipeline: &Pipeline) {
        let mut writers: BTreeMap<String, &str> = BTreeMap::new();
        for (step_name, step) in &pipeline.steps {
            for (index, output) in step.writes.iter().enumerate() {
                let at = format!("{path}.steps.{step_name}.writes.{index}");
                if let Some(other) = writers.insert(env_name(output), step_name) {
                    self.wrong(&at, format!("`{output}` is written by step `{other}` already; an output has one writer"));
                }
                if self
                    .file
                    .datasets
                    .keys()
                    .any(|name| env_name(name) == env_name(output))
                {
                    self.wrong(&at, format!("`{output}` is the name of a dataset; choose another name for the output"));
                }
            }
        }
    }

    fn step(&mut self, path: &str, name: &str, step: &Step, pipeline: &Pipeline) {
        let outputs = pipeline.steps.values().flat_map(|step| &step.writes);
        let readable: Vec<&str> = outputs
            .chain(self.file.datasets.keys())
            .map(String::as_str)
            .collect();
        for (index, read) in step.reads.iter().enumerate() {
            let at = format!("{path}.reads.{index}");
            if step.writes.contains(read) {
                self.wrong(&at, format!("step `{name}` reads `{read}`, which it writes itself; give the output another name"));
            } else {
                self.known(&at, "dataset or output", read, readable.iter().copied());
            }
        }
        for (index, need) in step.needs.iter().enumerate() {
            if need == name {
                self.wrong(
                    &format!("{path}.needs.{index}"),
                    format!("step `{name}` waits for itself; remove it from `needs`"),
                );
                continue;
            }
            let steps = pipeline.steps.keys().map(String::as_str);
            self.known(&format!("{path}.needs.{index}"), "step", need, steps);
        }
        for parameter in step.matrix.keys() {
            if pipeline.params.contains_key(parameter) {
                self.wrong_key(&format!("{path}.matrix.{parameter}"), format!("`{parameter}` is a parameter of the pipeline already; name it in `params` or in `matrix`"));
            }
        }
        match (&step.select, step.matrix.is_empty()) {
            (Some(select), false) => {
                let word = if matches!(select, Select::Min(_)) {
                    "min"
                } else {
                    "max"
                };
                let metrics = step.metrics.iter().map(String::as_str);
                self.known(
                    &format!("{path}.select.{word}"),
                    "declared metric",
                    select.metric(),
                    metrics,
                );
            }
            (Some(_), true) => self.wrong(
                &format!("{path}.select"),
                "`select` chooses among the combinations of `matrix`, which this step lacks",
            ),
            (None, false) if !step.writes.is_empty() || !step.metrics.is_empty() => {
                self.wrong(&format!("{path}.matrix"), format!("step `{name}` has a matrix and results; say which combination goes on with `select: {{ min: METRIC }}` or `max`"));
            }
            (None, _) => {}
        }
        if step.against.is_some() && step.metrics.is_empty() {
            self.wrong(&format!("{path}.against"), format!("step `{name}` is compared with the champion by its metrics, and declares none; add `metrics: [NAME]`"));
        }
    }

    /// Notes one cycle of the steps, with the way round it.
    fn cycles(&mut self, path: &str, pipeline: &'a Pipeline) {
        let mut state: BTreeMap<&str, Visit> = BTreeMap::new();
        let each = pipeline.steps.iter();
        let waits: BTreeMap<&str, Vec<&str>> = each
            .map(|(name, step)| (name.as_str(), pipeline.upstream(step)))
            .collect();
        for start in pipeline.steps.keys() {
            // An explicit stack: a file may chain thousands of steps.
            let mut stack = vec![(start.as_str(), 0)];
            while let Some((name, next)) = stack.pop() {
                if next == 0 && state.insert(name, Visit::Open) == Some(Visit::Done) {
                    state.insert(name, Visit::Done);
                    continue;
                }
                let Some(before) = waits[name].get(next) else {
                    state.insert(name, Visit::Done);
                    continue;
                };
                stack.push((name, next + 1));
                match state.get(before) {
                    Some(Visit::Done) => {}
                    // A step that reads its own output has been told so.
                    Some(Visit::Open) if *before == name => {}
                    Some(Visit::Open) => {
                        let from = stack
                            .iter()
                            .position(|(step, _)| step == before)
                            .unwrap_or(0);
                        let mut round: Vec<&str> =
                            stack[from..].iter().map(|(step, _)| *step).collect();
                        round.push(before);
                        round.reverse();
                        self.wrong(
                            &format!("{path}.steps.{name}"),
                            format!(
                                "the steps wait for each other: {}; break the cycle",
                                round.join(" → ")
                            ),
                        );
                        return;
                    }
                    None => stack.push((before, 0)),
                }
            }
        }
    }

    fn services(&mut self) {
        let models: Vec<&str> = self
            .file
            .pipelines
            .values()
            .filter_map(|pipeline| pipeline.register.as_ref())
            .map(|register| register.model.as_str())
            .collect();
        for (name, service) in &self.file.services {
            self.known(
                &format!("services.{name}.model"),
                "pipeline that registers model",
                &service.model,
                models.iter().copied(),
            );
        }
        for environment in &self.file.environments {
            for (name, service) in self.file.for_environment(environment).unwrap_or_default() {
                let path = self.file.service_path(environment, name);
                self.labels(&path, service);
                self.redacted(&path, service);
            }
        }
    }

    /// What is measured on labels needs labels.
    fn labels(&mut self, path: &str, service: &Service) {
        if service.monitor.labels.is_some() {
            return;
        }
        let needs = |measure: &Measure| matches!(measure, Measure::Live(_));
        let why = |measure: &Measure| {
            format!(
                "`{measure}` needs labels; add `monitor: {{ labels: {{ join: FIELD, within: 30d }} }}`"
            )
        };
        for (index, measure) in service
            .rollout
            .judge
            .iter()
            .enumerate()
            .filter(|(_, measure)| needs(measure))
        {
            self.wrong(&format!("{path}.rollout.judge.{index}"), why(measure));
        }
        if let Some(alarm) = service
            .monitor
            .alarm
            .as_ref()
            .filter(|alarm| needs(&alarm.on))
        {
            self.wrong(&format!("{path}.monitor.alarm.on"), why(&alarm.on));
        }
    }

    /// The join log has the names by which labels are joined in clear, or nothing could be joined.
    fn redacted(&mut self, path: &str, service: &Service) {
        let Some(labels) = &service.monitor.labels else {
            return;
        };
        for (index, name) in service.log.redact.iter().enumerate() {
            if *name == labels.join || labels.time.as_ref() == Some(name) {
                self.wrong(
                    &format!("{path}.log.redact.{index}"),
                    format!("labels are joined by `{name}`, which is written in clear for them; join by another field"),
                );
            }
        }
    }

    fn overrides(&mut self) {
        for environment in self.file.overrides.keys() {
            let known: Vec<&str> = self.file.environments.iter().map(String::as_str).collect();
            self.known(
                &format!("overrides.{environment}"),
                "environment",
                environment,
                known,
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    Done,
}
