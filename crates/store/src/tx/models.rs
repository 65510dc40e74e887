//! [`Models`] and [`Aliases`] in SQL.

use std::collections::BTreeMap;

use super::column::{Param as _, owned};
use super::compare::Kind;
use super::reach::PROMPT_TAG;
use super::search::{Expr, Searchable};
use super::{Tx, must, must_be_new, params, record::record};
use crate::error::{Error, Result};
use crate::gate::Thing;
use crate::models::{Aliases, ModelVersion, Models, RegisteredModel};
use crate::search::{Field, Page, Search};

record!(RegisteredModel in "models", key(project, name), created_at, updated_at, description, tags);
record!(ModelVersion in "model_versions", key(project, model, version), created_at, updated_at, description, user_id,
    source, mlflow_run_id, mlflow_model_id, run_id, artifact, lineage, gate, signature, gate_state, stage, status,
    status_message, tags);

impl Searchable for RegisteredModel {
    const TIES: &'static [(&'static str, Kind, bool)] = &[("name", Kind::Text, false)];

    fn expr(field: &Field) -> Option<Expr> {
        match field {
            Field::Attribute(name) => match name.as_str() {
                "name" => Some(Expr::column("r.\"name\"", Kind::Text)),
                "creation_timestamp" => Some(Expr::column("r.\"created_at\"", Kind::Time)),
                "last_updated_timestamp" | "timestamp" => {
                    Some(Expr::column("r.\"updated_at\"", Kind::Time))
                }
                "prompt" => {
                    let sql = "(SELECT COUNT(*) FROM model_tags t WHERE t.\"project\" = r.\"project\" \
                               AND t.\"model\" = r.\"name\" AND t.\"key\" = ? AND t.\"value\" = 'true')";
                    Some(Expr::keyed(sql, PROMPT_TAG, Kind::Integer))
                }
                _ => None,
            },
            Field::Tag(key) => {
                let sql = "(SELECT t.\"value\" FROM model_tags t WHERE t.\"project\" = r.\"project\" \
                           AND t.\"model\" = r.\"name\" AND t.\"key\" = ?)";
                Some(Expr::keyed(sql, key, Kind::Text))
            }
            _ => None,
        }
    }
}

impl Searchable for ModelVersion {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("model", Kind::Text, false),
        ("version", Kind::Integer, true),
    ];

    fn expr(field: &Field) -> Option<Expr> {
        match field {
            Field::Attribute(name) => match name.as_str() {
                "name" => Some(Expr::column("r.\"model\"", Kind::Text)),
                "version" | "version_number" => Some(Expr::column("r.\"version\"", Kind::Integer)),
                "run_id" => Some(Expr::column(
                    "COALESCE(r.\"mlflow_run_id\", '')",
                    Kind::Text,
                )),
                "source_path" | "source" => Some(Expr::column("r.\"source\"", Kind::Text)),
                "creation_timestamp" => Some(Expr::column("r.\"created_at\"", Kind::Time)),
                "last_updated_timestamp" => Some(Expr::column("r.\"updated_at\"", Kind::Time)),
                "prompt" => {
                    let sql = "(SELECT COUNT(*) FROM version_tags t WHERE t.\"project\" = r.\"project\" \
                               AND t.\"model\" = r.\"model\" AND t.\"key\" = ? AND t.\"value\" = 'true')";
                    Some(Expr::keyed(sql, PROMPT_TAG, Kind::Integer))
                }
                _ => None,
            },
            Field::Tag(key) => {
                let sql = "(SELECT t.\"value\" FROM version_tags t WHERE t.\"project\" = r.\"project\" \
                           AND t.\"model\" = r.\"model\" AND t.\"version\" = r.\"version\" AND t.\"key\" = ?)";
                Some(Expr::keyed(sql, key, Kind::Text))
            }
            _ => None,
        }
    }
}

impl Tx<'_> {
    fn keep_model_tags(&mut self, model: &RegisteredModel) -> Result<()> {
        let RegisteredModel {
            project,
            name,
            tags,
            ..
        } = model;
        self.execute(
            "DELETE FROM model_tags WHERE \"project\" = ?1 AND \"model\" = ?2",
            params![project, name],
        )?;
        for (key, value) in tags {
            let sql = "INSERT INTO model_tags (\"project\", \"model\", \"key\", \"value\") VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, params![project, name, key, value])?;
        }
        Ok(())
    }

    pub(super) fn keep_version_tags(&mut self, version: &ModelVersion) -> Result<()> {
        let ModelVersion {
            project,
            model,
            version,
            tags,
            ..
        } = version;
        let sql = "DELETE FROM version_tags WHERE \"project\" = ?1 AND \"model\" = ?2 AND \"version\" = ?3";
        self.execute(sql, params![project, model, version])?;
        for (key, value) in tags {
            let sql = "INSERT INTO version_tags (\"project\", \"model\", \"version\", \"key\", \"value\") VALUES (?1, ?2, ?3, ?4, ?5)";
            self.execute(sql, params![project, model, version, key, value])?;
        }
        Ok(())
    }
}

impl Models for Tx<'_> {
    fn create_model(&mut self, model: &RegisteredModel) -> Result<()> {
        let prompt = model
            .tags
            .get(PROMPT_TAG)
            .is_some_and(|tag| tag.eq_ignore_ascii_case("true"));
        let thing = match prompt {
            true => Thing::Prompt(&model.name),
            false => Thing::Model(&model.name),
        };
        self.reach_new(&model.project, &[thing])?;
        must_be_new(self.insert(model)?, "model", &model.name)?;
        let sql =
            "INSERT INTO model_counters (\"project\", \"model\", \"last\") VALUES (?1, ?2, 0)";
        self.execute(sql, params![model.project, model.name])?;
        self.keep_model_tags(model)
    }

    fn update_model(&mut self, model: &RegisteredModel) -> Result<()> {
        self.reach_model(&model.project, &model.name)?;
        must(self.replace(model)?, "model", &model.name)?;
        self.keep_model_tags(model)
    }

    fn rename_model(&mut self, project: &str, name: &str, to: &str) -> Result<()> {
        self.reach_model(project, name)?;
        must_be_new(self.model(project, to)?.is_none(), "model", to)?;
        for either in [Thing::Model(to), Thing::Prompt(to)] {
            self.reach_name(either)?;
        }
        let sql = "UPDATE models SET \"name\" = ?3 WHERE \"project\" = ?1 AND \"name\" = ?2";
        must(
            self.execute(sql, params![project, name, to])? == 1,
            "model",
            name,
        )
    }

    fn delete_model(&mut self, project: &str, name: &str) -> Result<bool> {
        self.deleting(|tx| tx.reach_model(project, name))?;
        self.remove::<RegisteredModel>(params![project, name])
    }

    fn model(&mut self, project: &str, name: &str) -> Result<Option<RegisteredModel>> {
        self.reach_model(project, name)?;
        self.get(params![project, name])
    }

    fn models(&mut self, project: &str) -> Result<Vec<RegisteredModel>> {
        let all: Vec<RegisteredModel> =
            self.select("WHERE \"project\" = ?1 ORDER BY \"name\"", params![project])?;
        for model in &all {
            self.reach_model(project, &model.name)?;
        }
        Ok(all)
    }

    fn search_models(&mut self, project: &str, search: &Search) -> Result<Page<RegisteredModel>> {
        let search = self.seen_models(search);
        self.search("r.\"project\" = ?1", vec![owned(project.value())], &search)
    }

    fn create_version(&mut self, version: &ModelVersion) -> Result<u32> {
        self.reach_model(&version.project, &version.model)?;
        let ModelVersion { project, model, .. } = version;
        let sql = "UPDATE model_counters SET \"last\" = \"last\" + 1 WHERE \"project\" = ?1 AND \"model\" = ?2 RETURNING \"last\"";
        let number = self
            .single(sql, params![project, model])?
            .ok_or_else(|| Error::missing("model", model))?;
        let version = ModelVersion {
            version: number,
            ..version.clone()
        };
        must_be_new(
            self.insert(&version)?,
            "version",
            format!("{number} of model {}", version.model),
        )?;
        self.keep_version_tags(&version)?;
        Ok(number)
    }

    fn update_version(&mut self, version: &ModelVersion) -> Result<()> {
        self.reach_model(&version.project, &version.model)?;
        must(
            self.replace(version)?,
            "version",
            format!("{} of model {}", version.version, version.model),
        )?;
        self.keep_version_tags(version)
    }

    fn delete_version(&mut self, project: &str, model: &str, version: u32) -> Result<bool> {
        self.deleting(|tx| tx.reach_model(project, model))?;
        self.remove::<ModelVersion>(params![project, model, version])
    }

    fn version(
        &mut self,
        project: &str,
        model: &str,
        version: u32,
    ) -> Result<Option<ModelVersion>> {
        self.reach_model(project, model)?;
        self.get(params![project, model, version])
    }

    fn versions(&mut self, project: &str, model: &str) -> Result<Vec<ModelVersion>> {
        self.reach_model(project, model)?;
        self.select(
            "WHERE \"project\" = ?1 AND \"model\" = ?2 ORDER BY \"version\" DESC",
            params![project, model],
        )
    }

    fn search_versions(&mut self, project: &str, search: &Search) -> Result<Page<ModelVersion>> {
        let search = self.seen_models(search);
        self.search("r.\"project\" = ?1", vec![owned(project.value())], &search)
    }
}

impl Aliases for Tx<'_> {
    fn set_alias(
        &mut self,
        project: &str,
        model: &str,
        alias: &str,
        version: u32,
    ) -> Result<Option<u32>> {
        self.reach_model(project, model)?;
        let before = self.alias(project, model, alias)?;
        let known = self.version(project, model, version)?.is_some();
        must(known, "version", format!("{version} of model {model}"))?;
        let sql = "INSERT INTO model_aliases (\"project\", \"model\", \"alias\", \"version\") VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (\"project\", \"model\", \"alias\") DO UPDATE SET \"version\" = excluded.\"version\"";
        self.execute(sql, params![project, model, alias, version])?;
        Ok(before)
    }

    fn delete_alias(&mut self, project: &str, model: &str, alias: &str) -> Result<Option<u32>> {
        self.reach_model(project, model)?;
        let before = self.alias(project, model, alias)?;
        let sql = "DELETE FROM model_aliases WHERE \"project\" = ?1 AND \"model\" = ?2 AND \"alias\" = ?3";
        self.execute(sql, params![project, model, alias])?;
        Ok(before)
    }

    fn alias(&mut self, project: &str, model: &str, alias: &str) -> Result<Option<u32>> {
        self.reach_model(project, model)?;
        let sql = "SELECT \"version\" FROM model_aliases WHERE \"project\" = ?1 AND \"model\" = ?2 AND \"alias\" = ?3";
        self.single(sql, params![project, model, alias])
    }

    fn aliases(&mut self, project: &str, model: &str) -> Result<BTreeMap<String, u32>> {
        self.reach_model(project, model)?;
        let sql = "SELECT \"alias\", \"version\" FROM model_aliases WHERE \"project\" = ?1 AND \"model\" = ?2";
        let all = self.rows(sql, params![project, model], |cols| {
            Ok((cols.get()?, cols.get()?))
        })?;
        Ok(all.into_iter().collect())
    }
}
