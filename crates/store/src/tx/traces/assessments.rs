//! [`Assessments`] in SQL.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::traces::{Assessment, AssessmentKind, Assessments};
use crate::tx::record::record;
use crate::tx::{Tx, must, must_be_new, params};

/// The columns of an assessment.
pub(super) struct AssessmentRow {
    pub(super) trace: i64,
    assessment_id: String,
    name: String,
    kind: AssessmentKind,
    value: String,
    number: Option<f64>,
    numeric: bool,
    error: Option<String>,
    rationale: Option<String>,
    source_type: String,
    source_id: Option<String>,
    span_id: Option<String>,
    overrides: Option<String>,
    valid: bool,
    of_session: bool,
    metadata: BTreeMap<String, String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

record!(AssessmentRow in "assessments", key(trace, assessment_id), name, kind, value, number, numeric, error, rationale, source_type, source_id, span_id, overrides, valid, of_session, metadata, created_at, updated_at);

impl AssessmentRow {
    fn new(trace: i64, from: &Assessment) -> Self {
        let from = from.clone();
        AssessmentRow {
            trace,
            assessment_id: from.assessment_id,
            name: from.name,
            kind: from.kind,
            value: from.value,
            number: from.number,
            numeric: from.numeric,
            error: from.error,
            rationale: from.rationale,
            source_type: from.source_type,
            source_id: from.source_id,
            span_id: from.span_id,
            overrides: from.overrides,
            valid: from.valid,
            of_session: from.of_session,
            metadata: from.metadata,
            created_at: from.created_at,
            updated_at: from.updated_at,
        }
    }

    /// The assessment of the trace with that id.
    pub(super) fn of(self, trace_id: &str) -> Assessment {
        Assessment {
            assessment_id: self.assessment_id,
            trace_id: trace_id.to_owned(),
            name: self.name,
            kind: self.kind,
            value: self.value,
            number: self.number,
            numeric: self.numeric,
            error: self.error,
            rationale: self.rationale,
            source_type: self.source_type,
            source_id: self.source_id,
            span_id: self.span_id,
            overrides: self.overrides,
            valid: self.valid,
            of_session: self.of_session,
            metadata: self.metadata,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Assessments for Tx<'_> {
    fn create_assessment(&mut self, project: &str, assessment: &Assessment) -> Result<()> {
        let trace = self.known_trace(project, &assessment.trace_id)?;
        let added = self.insert(&AssessmentRow::new(trace, assessment))?;
        must_be_new(added, "assessment", &assessment.assessment_id)
    }

    fn assessment(
        &mut self,
        project: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<Option<Assessment>> {
        let Some(trace) = self.trace_number(project, trace_id)? else {
            return Ok(None);
        };
        let row: Option<AssessmentRow> = self.get(params![trace, assessment_id])?;
        Ok(row.map(|row| row.of(trace_id)))
    }

    fn update_assessment(&mut self, project: &str, assessment: &Assessment) -> Result<()> {
        let trace = self.known_trace(project, &assessment.trace_id)?;
        let changed = self.replace(&AssessmentRow::new(trace, assessment))?;
        must(changed, "assessment", &assessment.assessment_id)
    }

    fn delete_assessment(
        &mut self,
        project: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<bool> {
        match self.trace_number(project, trace_id)? {
            Some(trace) => self.remove::<AssessmentRow>(params![trace, assessment_id]),
            None => Ok(false),
        }
    }
}
