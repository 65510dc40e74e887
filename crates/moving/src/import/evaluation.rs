//! Scorers, evaluation datasets with their records, and webhooks.

use super::Import;
use crate::{
    error::Result,
    report::{Kind, Report},
    source::{Source, pages},
};
use mlflow::{
    evaluation_datasets::{Dataset, Record},
    moving::{Item, State},
    scorers::Scorer,
    webhooks::Webhook,
};

/// What is said of a webhook that was copied.
const DISABLED: &str = "copied without its secret, and disabled: set its secret and enable it here, and disable it where it comes from";

impl Import<'_> {
    /// The scorers of an experiment.
    pub(super) fn scorers(&mut self, experiment: &str) -> Result<()> {
        let home = self.experiment(experiment).parse().unwrap_or_default();
        let scorers = self.source.scorers(experiment)?;
        let items = scorers.iter().map(|one| {
            Item::Scorer(Scorer {
                experiment_id: home,
                ..one.clone()
            })
        });
        let outcomes = self.target.take(items.collect())?;
        for (one, outcome) in scorers.iter().zip(outcomes) {
            self.report.count(Kind::Scorers).found += 1;
            let name = format!("{}/{}", one.scorer_name, one.scorer_version);
            self.report.tell_outcome(Kind::Scorers, &name, &outcome);
        }
        Ok(())
    }

    pub(super) fn evaluation_datasets(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.evaluation_datasets(after.as_deref())?;
            for dataset in page.items {
                self.evaluation_dataset(dataset)?;
                self.doing("evaluation datasets");
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn evaluation_dataset(&mut self, mut dataset: Dataset) -> Result<()> {
        // What a client once named and what is gone for good is no experiment here either.
        let known = &self.experiments;
        let homes = dataset.experiment_ids.iter().filter_map(|id| known.get(id));
        dataset.experiment_ids = homes.cloned().collect();
        let id = dataset.dataset_id.clone();
        let shown = format!("{} ({id})", dataset.name);
        self.report.count(Kind::EvaluationDatasets).found += 1;
        for outcome in self.target.take(vec![Item::EvaluationDataset(dataset)])? {
            self.report
                .tell_outcome(Kind::EvaluationDatasets, &shown, &outcome);
            if outcome.state == State::Failed {
                return Ok(());
            }
        }
        let mut after = None;
        loop {
            let page = self.source.evaluation_records(&id, after.as_deref())?;
            self.evaluation_records(page.items)?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn evaluation_records(&mut self, records: Vec<Record>) -> Result<()> {
        let ids: Vec<_> = records
            .iter()
            .map(|one| format!("{}/{}", one.dataset_id, one.dataset_record_id))
            .collect();
        let items = records.into_iter().map(Item::EvaluationRecord);
        let outcomes = self.target.take(items.collect())?;
        for (id, outcome) in ids.iter().zip(outcomes) {
            self.report.count(Kind::EvaluationRecords).found += 1;
            self.report
                .tell_outcome(Kind::EvaluationRecords, id, &outcome);
        }
        Ok(())
    }

    pub(super) fn webhooks(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = match self.source.webhooks(after.as_deref()) {
                // Who may copy all else need not be allowed to read these.
                Err(error) if error.is_forbidden() => {
                    let why = error.to_string();
                    self.report
                        .note(Kind::Webhooks, "of this server", State::LeftOut, &why);
                    return Ok(());
                }
                other => other?,
            };
            self.some_webhooks(&page.items)?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn some_webhooks(&mut self, webhooks: &[Webhook]) -> Result<()> {
        let items = webhooks.iter().cloned().map(Item::Webhook);
        let outcomes = self.target.take(items.collect())?;
        for (one, outcome) in webhooks.iter().zip(outcomes) {
            self.report.count(Kind::Webhooks).found += 1;
            self.report
                .tell_outcome(Kind::Webhooks, &one.name, &outcome);
            if outcome.state == State::Copied {
                self.report
                    .note(Kind::Webhooks, &one.name, State::Copied, DISABLED);
            }
        }
        Ok(())
    }
}

/// Counts evaluation datasets, their records, and webhooks.
pub(super) fn survey(source: &mut dyn Source, report: &mut Report) -> Result<()> {
    let mut ids = Vec::new();
    pages(
        |after| source.evaluation_datasets(after),
        |some| {
            report.count(Kind::EvaluationDatasets).found += some.len() as u64;
            ids.extend(some.into_iter().map(|one| one.dataset_id));
            Ok(())
        },
    )?;
    for id in ids {
        pages(
            |after| source.evaluation_records(&id, after),
            |some| {
                report.count(Kind::EvaluationRecords).found += some.len() as u64;
                Ok(())
            },
        )?;
    }
    let counted = pages(
        |after| source.webhooks(after),
        |some| {
            report.count(Kind::Webhooks).found += some.len() as u64;
            Ok(())
        },
    );
    match counted {
        Err(error) if error.is_forbidden() => {
            let why = error.to_string();
            report.note(Kind::Webhooks, "of this server", State::LeftOut, &why);
            Ok(())
        }
        other => other,
    }
}
