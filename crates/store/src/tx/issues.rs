//! [`Issues`] in SQL.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::column::{Param as _, Value, owned};
use super::compare::Kind;
use super::record::record;
use super::search::{Expr, Searchable};
use super::tracking::experiments::number;
use super::{Tx, must, must_be_new, params};
use crate::error::Result;
use crate::issues::{Issue, IssueSeverity, IssueStatus, Issues};
use crate::search::{Field, Page, Search};

struct IssueRow {
    id: String,
    project: String,
    experiment: i64,
    name: String,
    description: String,
    status: IssueStatus,
    severity: Option<IssueSeverity>,
    root_causes: Vec<String>,
    categories: Vec<String>,
    source_run: Option<String>,
    created_by: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

record!(IssueRow in "issues", key(id), project, experiment, name, description, status, severity, root_causes, categories,
    source_run, created_by, created_at, updated_at);

/// The traces of the project of `r` that say they show it.
const TRACES: &str = "(SELECT COUNT(DISTINCT a.\"trace\") FROM assessments a JOIN traces t ON t.\"number\" = a.\"trace\" \
                      WHERE a.\"kind\" = 'issue' AND a.\"name\" = r.\"id\" AND t.\"project\" = r.\"project\")";

/// So many issues are asked for at once.
const TOGETHER: usize = 500;

impl Searchable for IssueRow {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("created_at", Kind::Integer, true),
        ("id", Kind::Text, true),
    ];

    fn expr(field: &Field) -> Option<Expr> {
        let Field::Attribute(name) = field else {
            return None;
        };
        match name.as_str() {
            "status" => Some(Expr::column("r.\"status\"", Kind::Text)),
            "source_run_id" => Some(Expr::column("r.\"source_run\"", Kind::Text)),
            "severity" => Some(Expr::column(&rank(), Kind::Integer)),
            "traces" => Some(Expr::column(TRACES, Kind::Integer)),
            _ => None,
        }
    }
}

/// How bad it is as a number; -1 where nobody has said.
fn rank() -> String {
    let whens: String = (0..)
        .zip(IssueSeverity::ALL)
        .map(|(n, severity)| format!(" WHEN '{severity}' THEN {n}"))
        .collect();
    format!("CASE r.\"severity\"{whens} ELSE -1 END")
}

impl IssueRow {
    fn of(issue: &Issue) -> Result<Self> {
        let issue = issue.clone();
        Ok(IssueRow {
            experiment: number(&issue.experiment)?,
            id: issue.id,
            project: issue.project,
            name: issue.name,
            description: issue.description,
            status: issue.status,
            severity: issue.severity,
            root_causes: issue.root_causes,
            categories: issue.categories,
            source_run: issue.source_run,
            created_by: issue.created_by,
            created_at: issue.created_at,
            updated_at: issue.updated_at,
        })
    }

    fn whole(self) -> Issue {
        Issue {
            experiment: self.experiment.to_string(),
            id: self.id,
            project: self.project,
            name: self.name,
            description: self.description,
            status: self.status,
            severity: self.severity,
            root_causes: self.root_causes,
            categories: self.categories,
            source_run: self.source_run,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Issues for Tx<'_> {
    fn create_issue(&mut self, issue: &Issue) -> Result<()> {
        self.reach_experiment(&issue.experiment)?;
        must_be_new(self.insert(&IssueRow::of(issue)?)?, "issue", &issue.id)
    }

    fn update_issue(&mut self, issue: &Issue) -> Result<()> {
        self.reach_experiment(&issue.experiment)?;
        must(self.replace(&IssueRow::of(issue)?)?, "issue", &issue.id)
    }

    fn issue(&mut self, project: &str, id: &str) -> Result<Option<Issue>> {
        self.reach_issue(project, id)?;
        let rest = "WHERE \"project\" = ?1 AND \"id\" = ?2";
        let row: Option<IssueRow> = self.select_one(rest, params![project, id])?;
        Ok(row.map(IssueRow::whole))
    }

    fn search_issues(
        &mut self,
        project: &str,
        experiment: Option<&str>,
        search: &Search,
    ) -> Result<Page<Issue>> {
        let seen = self.seen_experiments("r.\"experiment\"");
        let mut base = format!("r.\"project\" = ?1{seen}");
        let mut values = vec![owned(project.value())];
        if let Some(experiment) = experiment {
            base.push_str(" AND r.\"experiment\" = ?2");
            values.push(Value::Int(number(experiment)?));
        }
        let page: Page<IssueRow> = self.search(&base, values, search)?;
        Ok(Page {
            items: page.items.into_iter().map(IssueRow::whole).collect(),
            next: page.next,
        })
    }

    fn traces_of_issues(
        &mut self,
        project: &str,
        issues: &[String],
    ) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        let seen = self.seen_experiments("t.\"experiment\"");
        for some in issues.chunks(TOGETHER) {
            let marks: Vec<_> = (2..some.len() + 2).map(|n| format!("?{n}")).collect();
            let sql = format!(
                "SELECT a.\"name\", COUNT(DISTINCT a.\"trace\") FROM assessments a JOIN traces t ON t.\"number\" = a.\"trace\" \
                 WHERE a.\"kind\" = 'issue' AND t.\"project\" = ?1{seen} AND a.\"name\" IN ({}) GROUP BY a.\"name\"",
                marks.join(", ")
            );
            let mut values = vec![project.value()];
            values.extend(some.iter().map(|one| one.value()));
            counts.extend(self.rows(&sql, &values, |cols| Ok((cols.get()?, cols.get()?)))?);
        }
        Ok(counts)
    }
}
