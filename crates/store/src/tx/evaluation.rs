//! [`EvaluationDatasets`] and [`EvaluationRecords`] in SQL.

use super::column::{Param as _, owned};
use super::compare::Kind;
use super::record::record;
use super::search::{Expr, Searchable};
use super::{Tx, must, must_be_new, only, params};
use crate::digest::Digest;
use crate::error::Result;
use crate::evaluation::{
    EvaluationDataset, EvaluationDatasets, EvaluationRecord, EvaluationRecords,
};
use crate::search::{Field, Page, Search};

record!(EvaluationDataset in "evaluation_datasets", key(id), project, name, digest, schema, profile, tags, created_at,
    updated_at, created_by, updated_by);
record!(EvaluationRecord in "evaluation_records", key(dataset, id), inputs_digest, inputs, outputs, expectations, tags,
    source, created_at, updated_at, created_by, updated_by);

impl Searchable for EvaluationDataset {
    const TIES: &'static [(&'static str, Kind, bool)] = &[("id", Kind::Text, true)];

    fn expr(field: &Field) -> Option<Expr> {
        match field {
            Field::Attribute(name) => match name.as_str() {
                "name" => Some(Expr::column("r.\"name\"", Kind::Text)),
                "created_time" => Some(Expr::column("r.\"created_at\"", Kind::Time)),
                "last_update_time" => Some(Expr::column("r.\"updated_at\"", Kind::Time)),
                "created_by" => Some(Expr::column("r.\"created_by\"", Kind::Text)),
                "last_updated_by" => Some(Expr::column("r.\"updated_by\"", Kind::Text)),
                _ => None,
            },
            Field::Tag(key) => {
                let sql = "(SELECT t.\"value\" FROM evaluation_dataset_tags t WHERE t.\"dataset\" = r.\"id\" AND t.\"key\" = ?)";
                Some(Expr::keyed(sql, key, Kind::Text))
            }
            _ => None,
        }
    }
}

impl Searchable for EvaluationRecord {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("created_at", Kind::Integer, false),
        ("id", Kind::Text, false),
    ];

    fn expr(_: &Field) -> Option<Expr> {
        None
    }
}

impl Tx<'_> {
    fn keep_dataset_tags(&mut self, dataset: &EvaluationDataset) -> Result<()> {
        let sql = "DELETE FROM evaluation_dataset_tags WHERE \"dataset\" = ?1";
        self.execute(sql, params![dataset.id])?;
        for (key, value) in &dataset.tags {
            let sql = "INSERT INTO evaluation_dataset_tags (\"dataset\", \"key\", \"value\") VALUES (?1, ?2, ?3)";
            self.execute(sql, params![dataset.id, key, value])?;
        }
        Ok(())
    }
}

impl EvaluationDatasets for Tx<'_> {
    fn create_evaluation_dataset(&mut self, dataset: &EvaluationDataset) -> Result<()> {
        must_be_new(self.insert(dataset)?, "evaluation dataset", &dataset.id)?;
        self.keep_dataset_tags(dataset)
    }

    fn update_evaluation_dataset(&mut self, dataset: &EvaluationDataset) -> Result<()> {
        self.reach_dataset(&dataset.id)?;
        must(self.replace(dataset)?, "evaluation dataset", &dataset.id)?;
        self.keep_dataset_tags(dataset)
    }

    fn delete_evaluation_dataset(&mut self, project: &str, id: &str) -> Result<bool> {
        self.deleting(|tx| tx.reach_dataset(id))?;
        let sql = "DELETE FROM evaluation_datasets WHERE \"project\" = ?1 AND \"id\" = ?2";
        Ok(self.execute(sql, params![project, id])? == 1)
    }

    fn evaluation_dataset(&mut self, project: &str, id: &str) -> Result<Option<EvaluationDataset>> {
        self.reach_dataset(id)?;
        let rest = "WHERE \"project\" = ?1 AND \"id\" = ?2";
        self.select_one(rest, params![project, id])
    }

    fn search_evaluation_datasets(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &Search,
    ) -> Result<Page<EvaluationDataset>> {
        let mut values = vec![owned(project.value())];
        let mut base = "r.\"project\" = ?1".to_owned();
        let seen = self.seen_experiments("CAST(h.\"experiment\" AS BIGINT)");
        if let Some(seen) = seen.strip_prefix(" AND ") {
            base.push_str(" AND NOT EXISTS (SELECT 1 FROM evaluation_dataset_experiments h WHERE h.\"dataset\" = r.\"id\" AND NOT (");
            base.push_str(seen);
            base.push_str("))");
        }
        if !experiments.is_empty() {
            values.extend(experiments.iter().map(|one| owned(one.value())));
            let marks: Vec<_> = (2..=values.len()).map(|n| format!("?{n}")).collect();
            base.push_str(" AND r.\"id\" IN (SELECT \"dataset\" FROM evaluation_dataset_experiments WHERE \"experiment\" IN (");
            base.push_str(&marks.join(", "));
            base.push_str("))");
        }
        self.search(&base, values, search)
    }

    fn dataset_experiments(&mut self, id: &str) -> Result<Vec<String>> {
        self.reach_dataset(id)?;
        let sql = "SELECT \"experiment\" FROM evaluation_dataset_experiments WHERE \"dataset\" = ?1 \
                   ORDER BY LENGTH(\"experiment\"), \"experiment\"";
        self.rows(sql, params![id], only)
    }

    fn add_dataset_to_experiment(&mut self, id: &str, experiment: &str) -> Result<()> {
        self.reach_attached(id)?;
        self.reach_experiment(experiment)?;
        let sql = "INSERT INTO evaluation_dataset_experiments (\"dataset\", \"experiment\") VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.execute(sql, params![id, experiment]).map(drop)
    }

    fn remove_dataset_from_experiment(&mut self, id: &str, experiment: &str) -> Result<bool> {
        self.reach_dataset(id)?;
        let sql = "DELETE FROM evaluation_dataset_experiments WHERE \"dataset\" = ?1 AND \"experiment\" = ?2";
        Ok(self.execute(sql, params![id, experiment])? == 1)
    }
}

impl EvaluationRecords for Tx<'_> {
    fn put_evaluation_record(&mut self, record: &EvaluationRecord) -> Result<()> {
        self.reach_dataset(&record.dataset)?;
        self.upsert(record)
    }

    fn evaluation_record(
        &mut self,
        dataset: &str,
        inputs: &Digest,
    ) -> Result<Option<EvaluationRecord>> {
        self.reach_dataset(dataset)?;
        let rest = "WHERE \"dataset\" = ?1 AND \"inputs_digest\" = ?2";
        self.select_one(rest, params![dataset, inputs])
    }

    fn evaluation_records(
        &mut self,
        dataset: &str,
        search: &Search,
    ) -> Result<Page<EvaluationRecord>> {
        self.reach_dataset(dataset)?;
        self.search("r.\"dataset\" = ?1", vec![owned(dataset.value())], search)
    }

    fn count_evaluation_records(&mut self, dataset: &str) -> Result<u64> {
        self.reach_dataset(dataset)?;
        let sql = "SELECT COUNT(*) FROM evaluation_records WHERE \"dataset\" = ?1";
        Ok(self.single(sql, params![dataset])?.unwrap_or_default())
    }

    fn delete_evaluation_record(&mut self, dataset: &str, id: &str) -> Result<bool> {
        self.reach_dataset(dataset)?;
        self.remove::<EvaluationRecord>(params![dataset, id])
    }
}
