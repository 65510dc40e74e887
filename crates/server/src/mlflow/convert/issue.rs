//! Issues.

use mlflow::issues::Issue as Wire;
use store::Issue;

/// An issue as answers show it, with the number of its traces where that was asked for.
pub(in crate::mlflow) fn wire(from: Issue, trace_count: Option<u64>) -> Wire {
    Wire {
        issue_id: from.id,
        experiment_id: from.experiment,
        name: from.name,
        description: from.description,
        status: from.status.as_str(),
        severity: from.severity.map(store::IssueSeverity::as_str),
        root_causes: from.root_causes,
        source_run_id: from.source_run,
        created_timestamp: from.created_at.as_millisecond(),
        last_updated_timestamp: from.updated_at.as_millisecond(),
        created_by: from.created_by,
        categories: from.categories,
        trace_count,
    }
}
