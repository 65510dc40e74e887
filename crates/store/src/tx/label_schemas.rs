//! [`LabelSchemas`] in SQL.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::column::Value;
use super::compare::Kind;
use super::record::record;
use super::search::{Expr, Searchable};
use super::tracking::experiments::number;
use super::{Tx, must, must_be_new, params};
use crate::error::Result;
use crate::label_schemas::{LabelKind, LabelSchema, LabelSchemas};
use crate::search::{Field, Page, Search};

struct SchemaRow {
    id: String,
    project: String,
    experiment: i64,
    name: String,
    kind: LabelKind,
    instruction: Option<String>,
    comment: bool,
    input: Json,
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

record!(SchemaRow in "label_schemas", key(id), project, experiment, name, kind, instruction, comment, input, is_default,
    created_at, updated_at);

impl Searchable for SchemaRow {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("created_at", Kind::Integer, true),
        ("id", Kind::Text, false),
    ];

    fn expr(_: &Field) -> Option<Expr> {
        None
    }
}

impl SchemaRow {
    fn of(schema: &LabelSchema) -> Result<Self> {
        let schema = schema.clone();
        Ok(SchemaRow {
            experiment: number(&schema.experiment)?,
            id: schema.id,
            project: schema.project,
            name: schema.name,
            kind: schema.kind,
            instruction: schema.instruction,
            comment: schema.comment,
            input: schema.input,
            is_default: schema.is_default,
            created_at: schema.created_at,
            updated_at: schema.updated_at,
        })
    }

    fn whole(self) -> LabelSchema {
        LabelSchema {
            experiment: self.experiment.to_string(),
            id: self.id,
            project: self.project,
            name: self.name,
            kind: self.kind,
            instruction: self.instruction,
            comment: self.comment,
            input: self.input,
            is_default: self.is_default,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl LabelSchemas for Tx<'_> {
    fn create_label_schema(&mut self, schema: &LabelSchema) -> Result<()> {
        self.reach_experiment(&schema.experiment)?;
        let made = self.insert(&SchemaRow::of(schema)?)?;
        must_be_new(made, "label schema", &schema.name)
    }

    fn update_label_schema(&mut self, schema: &LabelSchema) -> Result<()> {
        self.reach_experiment(&schema.experiment)?;
        let named = self.label_schema_by_name(&schema.experiment, &schema.name)?;
        let free = named.is_none_or(|other| other.id == schema.id);
        must_be_new(free, "label schema", &schema.name)?;
        let known = self.replace(&SchemaRow::of(schema)?)?;
        must(known, "label schema", &schema.id)
    }

    fn delete_label_schema(&mut self, project: &str, id: &str) -> Result<bool> {
        self.reach_label_schema(project, id)?;
        let sql = "DELETE FROM label_schemas WHERE \"project\" = ?1 AND \"id\" = ?2";
        Ok(self.execute(sql, params![project, id])? == 1)
    }

    fn label_schema(&mut self, project: &str, id: &str) -> Result<Option<LabelSchema>> {
        self.reach_label_schema(project, id)?;
        let rest = "WHERE \"project\" = ?1 AND \"id\" = ?2";
        let row: Option<SchemaRow> = self.select_one(rest, params![project, id])?;
        Ok(row.map(SchemaRow::whole))
    }

    fn label_schema_by_name(
        &mut self,
        experiment: &str,
        name: &str,
    ) -> Result<Option<LabelSchema>> {
        self.reach_experiment(experiment)?;
        let rest = "WHERE \"experiment\" = ?1 AND \"name\" = ?2";
        let row: Option<SchemaRow> = self.select_one(rest, params![number(experiment)?, name])?;
        Ok(row.map(SchemaRow::whole))
    }

    fn search_label_schemas(
        &mut self,
        experiment: &str,
        search: &Search,
    ) -> Result<Page<LabelSchema>> {
        self.reach_experiment(experiment)?;
        let values = vec![Value::Int(number(experiment)?)];
        let page: Page<SchemaRow> = self.search("r.\"experiment\" = ?1", values, search)?;
        Ok(Page {
            items: page.items.into_iter().map(SchemaRow::whole).collect(),
            next: page.next,
        })
    }
}
