//! Runs, their points and their files.

use super::{Import, files::hashed};
use crate::{
    error::Result,
    report::Kind,
    source::{Owner, Place},
};
use mlflow::{
    moving::{Item, Points, State},
    runs::{Metric, Run},
    tally::{Shown, Tally},
};
use std::collections::BTreeMap;

/// How many points are sent at once.
const POINTS: usize = 5000;

/// Points on their way.
#[derive(Default)]
struct Sending {
    points: Vec<Item>,
    count: usize,
    /// What each run that was sent something should have in the end, and what it had.
    expected: Vec<(String, Shown, u64)>,
}

impl Import<'_> {
    pub(super) fn runs(&mut self, experiment: &str) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.runs(experiment, after.as_deref())?;
            self.some_runs(page.items)?;
            self.doing("runs");
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn some_runs(&mut self, runs: Vec<Run>) -> Result<()> {
        let here = runs.iter().map(|run| {
            let mut run = run.clone();
            run.info.experiment_id = self.experiment(&run.info.experiment_id);
            run.data.metrics.clear();
            Item::Run(Box::new(run))
        });
        let outcomes = self.target.take(here.collect())?;
        let mut there = Vec::new();
        for (run, outcome) in runs.into_iter().zip(outcomes) {
            self.report.count(Kind::Runs).found += 1;
            self.report
                .tell_outcome(Kind::Runs, &run.info.run_id, &outcome);
            if let (Some(to), true) = (outcome.artifact_uri, outcome.state != State::Failed) {
                there.push((run, to));
            }
        }
        self.points_of(&there)?;
        for (run, to) in there {
            let owner = Owner::Run(run.info.run_id);
            let uri = run.info.artifact_uri;
            self.files(&Place { owner, uri }, &to)?;
        }
        Ok(())
    }

    /// Sends the points that are not there, and looks whether all of them are in the end.
    fn points_of(&mut self, runs: &[(Run, String)]) -> Result<()> {
        let ids = runs.iter().map(|(run, _)| run.info.run_id.clone());
        let held = self.target.points(ids.collect())?;
        let mut sending = Sending::default();
        for (run, _) in runs {
            self.points_of_one(run, &held, &mut sending)?;
        }
        self.send_points(&mut sending)?;
        let ids = sending.expected.iter().map(|(id, _, _)| id.clone());
        let held = self.target.points(ids.collect())?;
        for (id, wanted, before) in sending.expected {
            let has = held.get(&id).cloned().unwrap_or_default();
            self.report.count(Kind::MetricPoints).there_already += before.min(wanted.points);
            if has == wanted {
                self.report.count(Kind::MetricPoints).copied +=
                    wanted.points.saturating_sub(before);
            } else {
                let why = format!(
                    "{} of {} points are there, or others",
                    has.points, wanted.points
                );
                let state = if has.points > wanted.points {
                    State::Different
                } else {
                    State::Failed
                };
                self.report.tell(Kind::MetricPoints, &id, state, Some(&why));
            }
        }
        Ok(())
    }

    fn points_of_one(
        &mut self,
        run: &Run,
        held: &BTreeMap<String, Shown>,
        sending: &mut Sending,
    ) -> Result<()> {
        let id = run.info.run_id.clone();
        let has = held.get(&id).cloned().unwrap_or_default();
        if has.points > 0 {
            let wanted = self.tally(run, None)?;
            if wanted == has {
                let count = self.report.count(Kind::MetricPoints);
                count.found += wanted.points;
                count.there_already += wanted.points;
                return Ok(());
            }
        }
        let wanted = self.tally(run, Some(sending))?;
        self.report.count(Kind::MetricPoints).found += wanted.points;
        if wanted != has {
            sending.expected.push((id, wanted, has.points));
        }
        Ok(())
    }

    /// Counts a run's points, and sends them when there is something to send them with.
    fn tally(&mut self, run: &Run, mut sending: Option<&mut Sending>) -> Result<Shown> {
        let id = &run.info.run_id;
        let (labels, target) = (&self.labels, self.target);
        let mut tally = Tally::default();
        self.source.points(run, &mut |points| {
            let points = labels.put(id, points);
            points.iter().for_each(|point| tally.add(point));
            let Some(sending) = sending.as_deref_mut() else {
                return Ok(());
            };
            for some in points.chunks(POINTS) {
                sending.push(id, some.to_vec());
                if sending.count >= POINTS {
                    target.take(std::mem::take(&mut sending.points))?;
                    sending.count = 0;
                }
            }
            Ok(())
        })?;
        Ok(tally.shown())
    }

    fn send_points(&mut self, sending: &mut Sending) -> Result<()> {
        sending.count = 0;
        self.target
            .take(std::mem::take(&mut sending.points))
            .map(drop)
    }

    /// Sends the files of a place that are not there.
    pub(super) fn files(&mut self, place: &Place, to: &str) -> Result<()> {
        if !self.options.files {
            return Ok(());
        }
        match self.source.files(place) {
            Ok(files) if files.is_empty() => Ok(()),
            Ok(files) => self.some_files(place, to, files),
            Err(error) => {
                self.report.count(Kind::Files).found += 1;
                let why = error.to_string();
                self.report
                    .tell(Kind::Files, &place.uri, State::Failed, Some(&why));
                Ok(())
            }
        }
    }

    fn some_files(
        &mut self,
        place: &Place,
        to: &str,
        files: Vec<mlflow::artifacts::File>,
    ) -> Result<()> {
        let held = self.target.files(to)?;
        let mut sent = BTreeMap::new();
        for file in files {
            self.report.count(Kind::Files).found += 1;
            let name = format!("{}/{}", place.uri, file.path);
            let Some(there) = held.get(&file.path) else {
                match self.send_file(place, to, &file.path) {
                    Ok(digest) => drop(sent.insert(file.path, digest)),
                    Err(error)
                        if error.is_refusal()
                            || matches!(error, crate::error::Error::Io { .. }) =>
                    {
                        let why = error.to_string();
                        self.report
                            .tell(Kind::Files, &name, State::Failed, Some(&why));
                    }
                    Err(error) => return Err(error),
                }
                continue;
            };
            let same = match self.options.verify {
                false => file.file_size.is_none_or(|size| size == there.size),
                true => hashed(self.source.open(place, &file.path)?)? == there.digest,
            };
            let state = if same { State::Same } else { State::Different };
            let why = "a file of that name is there, with other bytes";
            self.report.tell(Kind::Files, &name, state, Some(why));
        }
        self.look_after(place, to, &sent)
    }

    /// Whether what was sent has arrived as it was read.
    fn look_after(
        &mut self,
        place: &Place,
        to: &str,
        sent: &BTreeMap<String, String>,
    ) -> Result<()> {
        if sent.is_empty() {
            return Ok(());
        }
        let held = self.target.files(to)?;
        for (path, digest) in sent {
            let arrived = held.get(path).is_some_and(|there| there.digest == *digest);
            let state = if arrived {
                State::Copied
            } else {
                State::Failed
            };
            let name = format!("{}/{path}", place.uri);
            self.report
                .tell(Kind::Files, &name, state, Some("it has not arrived whole"));
        }
        Ok(())
    }
}

impl Sending {
    fn push(&mut self, run_id: &str, metrics: Vec<Metric>) {
        self.count += metrics.len();
        self.points.push(Item::Points(Points {
            run_id: run_id.to_owned(),
            metrics,
        }));
    }
}
