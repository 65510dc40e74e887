//! [`Experiments`] in SQL.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::gate::Thing;
use crate::search::{Field, Page, Search};
use crate::tracking::{Experiment, Experiments, Lifecycle, NewExperiment, RunView, TagChange};
use crate::tx::column::{Param as _, owned};
use crate::tx::compare::Kind;
use crate::tx::record::record;
use crate::tx::search::{Expr, Searchable};
use crate::tx::{Tx, must, must_be_new, params};

struct ExperimentRow {
    id: i64,
    project: String,
    name: String,
    artifact_location: String,
    lifecycle: Lifecycle,
    created_at: Timestamp,
    updated_at: Timestamp,
}

record!(ExperimentRow in "experiments", key(id), project, name, artifact_location, lifecycle, created_at, updated_at);

impl Searchable for ExperimentRow {
    const TIES: &'static [(&'static str, Kind, bool)] = &[("id", Kind::Integer, true)];

    fn expr(field: &Field) -> Option<Expr> {
        match field {
            Field::Attribute(name) => match name.as_str() {
                "name" => Some(Expr::column("r.\"name\"", Kind::Text)),
                "experiment_id" => Some(Expr::column("r.\"id\"", Kind::Integer)),
                "creation_time" => Some(Expr::column("r.\"created_at\"", Kind::Time)),
                "last_update_time" => Some(Expr::column("r.\"updated_at\"", Kind::Time)),
                _ => None,
            },
            Field::Tag(key) => {
                let sql = "(SELECT t.\"value\" FROM experiment_tags t WHERE t.\"experiment\" = r.\"id\" AND t.\"key\" = ?)";
                Some(Expr::keyed(sql, key, Kind::Text))
            }
            _ => None,
        }
    }
}

/// An experiment's number; text that is none belongs to no experiment.
pub(in crate::tx) fn number(id: &str) -> Result<i64> {
    id.parse().map_err(|_| Error::missing("experiment", id))
}

impl Tx<'_> {
    fn whole(&mut self, row: ExperimentRow) -> Result<Experiment> {
        self.reach(Thing::Experiment(row.id))?;
        let sql = "SELECT \"key\", \"value\" FROM experiment_tags WHERE \"experiment\" = ?1";
        let tags: BTreeMap<_, _> = self
            .rows(sql, params![row.id], |cols| Ok((cols.get()?, cols.get()?)))?
            .into_iter()
            .collect();
        let ExperimentRow {
            id,
            project,
            name,
            artifact_location,
            lifecycle,
            created_at,
            updated_at,
        } = row;
        Ok(Experiment {
            id: id.to_string(),
            project,
            name,
            artifact_location,
            lifecycle,
            created_at,
            updated_at,
            tags,
        })
    }

    fn set_experiment_tag(&mut self, number: i64, key: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO experiment_tags (\"experiment\", \"key\", \"value\") VALUES (?1, ?2, ?3) \
                   ON CONFLICT (\"experiment\", \"key\") DO UPDATE SET \"value\" = excluded.\"value\"";
        self.execute(sql, params![number, key, value]).map(drop)
    }
}

impl Experiments for Tx<'_> {
    fn create_experiment(&mut self, experiment: &NewExperiment) -> Result<String> {
        let NewExperiment {
            project,
            name,
            artifact_location,
            created_at,
            tags,
        } = experiment;
        self.reach_new(project, &[])?;
        let sql = "INSERT INTO experiments (\"project\", \"name\", \"artifact_location\", \"lifecycle\", \"created_at\", \"updated_at\") \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO NOTHING RETURNING \"id\"";
        let given = params![
            project,
            name,
            artifact_location,
            Lifecycle::Active,
            created_at
        ];
        let number: Option<i64> = self.single(sql, given)?;
        must_be_new(number.is_some(), "experiment", name)?;
        let number = number.unwrap_or_default();
        if artifact_location.contains("{id}") {
            let location = artifact_location.replace("{id}", &number.to_string());
            let sql = "UPDATE experiments SET \"artifact_location\" = ?2 WHERE \"id\" = ?1";
            self.execute(sql, params![number, location])?;
        }
        for (key, value) in tags {
            self.set_experiment_tag(number, key, value)?;
        }
        Ok(number.to_string())
    }

    fn update_experiment(&mut self, experiment: &Experiment) -> Result<()> {
        let row = ExperimentRow {
            id: number(&experiment.id)?,
            project: experiment.project.clone(),
            name: experiment.name.clone(),
            artifact_location: experiment.artifact_location.clone(),
            lifecycle: experiment.lifecycle,
            created_at: experiment.created_at,
            updated_at: experiment.updated_at,
        };
        let number = row.id;
        match row.lifecycle {
            Lifecycle::Deleted => self.deleting(|tx| tx.reach(Thing::Experiment(number)))?,
            Lifecycle::Active => self.reach(Thing::Experiment(number))?,
        }
        let named = self.experiment_by_name(&row.project, &row.name)?;
        must_be_new(
            named.is_none_or(|other| other.id == experiment.id),
            "experiment",
            &row.name,
        )?;
        must(self.replace(&row)?, "experiment", &experiment.id)
    }

    fn experiment(&mut self, project: &str, id: &str) -> Result<Option<Experiment>> {
        let Ok(number) = number(id) else {
            return Ok(None);
        };
        let row: Option<ExperimentRow> = self.select_one(
            "WHERE \"id\" = ?1 AND \"project\" = ?2",
            params![number, project],
        )?;
        row.map(|row| self.whole(row)).transpose()
    }

    fn experiment_by_name(&mut self, project: &str, name: &str) -> Result<Option<Experiment>> {
        let row: Option<ExperimentRow> = self.select_one(
            "WHERE \"project\" = ?1 AND \"name\" = ?2",
            params![project, name],
        )?;
        row.map(|row| self.whole(row)).transpose()
    }

    fn search_experiments(
        &mut self,
        project: &str,
        view: RunView,
        search: &Search,
    ) -> Result<Page<Experiment>> {
        let base = format!(
            "r.\"project\" = ?1 AND {}{}",
            super::seen(view),
            self.seen_experiments("r.\"id\"")
        );
        let page: Page<ExperimentRow> = self.search(&base, vec![owned(project.value())], search)?;
        let items = page
            .items
            .into_iter()
            .map(|row| self.whole(row))
            .collect::<Result<_>>()?;
        Ok(Page {
            items,
            next: page.next,
        })
    }

    fn tag_experiment(&mut self, id: &str, tags: &[TagChange]) -> Result<()> {
        let number = number(id)?;
        self.reach(Thing::Experiment(number))?;
        let known: Option<i64> = self.single(
            "SELECT \"id\" FROM experiments WHERE \"id\" = ?1",
            params![number],
        )?;
        must(known.is_some(), "experiment", id)?;
        for TagChange { key, value } in tags {
            match value {
                Some(value) => self.set_experiment_tag(number, key, value)?,
                None => {
                    let sql =
                        "DELETE FROM experiment_tags WHERE \"experiment\" = ?1 AND \"key\" = ?2";
                    self.execute(sql, params![number, key])?;
                }
            }
        }
        Ok(())
    }
}
