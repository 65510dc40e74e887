//! One request for every route of MLflow's, about things whose names all have a mark, so that an answer that shows any of
//! them is known by it.

use super::super::asking::{Asking, BASE};
use serde_json::{Value, json};
use server::http::RouteInfo;

/// Things of one experiment, and what stands in the registry beside it.
pub(crate) struct Things {
    pub(crate) mark: String,
    pub(crate) experiment: String,
    pub(crate) run: String,
    pub(crate) model: String,
    pub(crate) trace: String,
    pub(crate) assessment: String,
    pub(crate) dataset: String,
    pub(crate) record: String,
    pub(crate) scorer: String,
    pub(crate) upload: String,
    pub(crate) issue: String,
    pub(crate) question: String,
}

/// What a request needs on the things that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To see them.
    Sight,
    /// To change them.
    Change,
    /// Nothing: it is about something else.
    Nothing,
}

/// A request, and what it needs.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<String>,
    pub(crate) needs: Needs,
    /// Whether it goes well for whoever may do everything.
    pub(crate) good: bool,
}

fn text(value: &Value, path: &[&str]) -> String {
    let found = path.iter().fold(value, |value, key| &value[*key]);
    found
        .as_str()
        .unwrap_or_else(|| panic!("no {path:?} in {value}"))
        .to_owned()
}

impl Things {
    /// Makes them all, by the owner.
    pub(crate) fn make(asking: &Asking<'_>, mark: &str) -> Self {
        let v3 = BASE.replace("2.0", "3.0");
        let post = |path: &str, body: Value| asking.done("POST", &format!("{BASE}/{path}"), &body);
        let post3 = |path: &str, body: Value| asking.done("POST", &format!("{v3}/{path}"), &body);
        let (experiment, run) = asking.run(mark);
        post(
            "runs/log-batch",
            json!({ "run_id": run,
            "metrics": [{ "key": mark, "value": 0.5, "timestamp": 1, "step": 1 }],
            "params": [{ "key": mark, "value": mark }], "tags": [{ "key": mark, "value": mark }] }),
        );
        let dataset = json!({ "name": mark, "digest": "1", "source_type": "x", "source": "x" });
        post(
            "runs/log-inputs",
            json!({ "run_id": run, "datasets": [{ "dataset": dataset }] }),
        );
        post(
            "experiments/set-experiment-tag",
            json!({ "experiment_id": experiment, "key": mark, "value": mark }),
        );
        let model = post(
            "logged-models",
            json!({ "experiment_id": experiment, "name": mark, "source_run_id": run, "tags": [{ "key": mark, "value": mark }] }),
        );
        let model = text(&model, &["model", "info", "model_id"]);
        let file =
            format!("{BASE}-artifacts/artifacts/{experiment}/models/{model}/artifacts/a.txt");
        assert_eq!(asking.owner("PUT", &file, mark.as_bytes()).status, 200);
        let trace = format!("tr-{}", uuid::Uuid::now_v7().simple());
        let headers = [
            format!("authorization: Bearer {}", asking.owner_token()),
            format!("x-mlflow-experiment-id: {experiment}"),
        ];
        let exported = asking.ask(
            "POST",
            "/p/flights/v1/traces",
            &headers,
            spans(&trace, mark).to_string().as_bytes(),
        );
        assert_eq!(exported.status, 200, "{}", exported.body);
        post3(
            "traces",
            json!({ "trace": { "trace_info": { "trace_id": trace,
            "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } },
            "request_time": "2024-01-01T00:00:00Z", "state": "OK", "tags": { mark: mark }, "request_preview": mark } } }),
        );
        let said = json!({ "assessment": { "assessment_name": mark, "source": { "source_type": "HUMAN" }, "feedback": { "value": mark } } });
        let assessment = post3(&format!("traces/{trace}/assessments"), said);
        let assessment = text(&assessment, &["assessment", "assessment_id"]);
        let dataset = post3(
            "datasets/create",
            json!({ "name": mark, "experiment_ids": [experiment], "tags": json!({ mark: mark }).to_string() }),
        );
        let dataset = text(&dataset, &["dataset", "dataset_id"]);
        let records = json!([{ "inputs": { "q": mark } }]).to_string();
        post3(
            &format!("datasets/{dataset}/records"),
            json!({ "records": records }),
        );
        let kept = asking
            .owner("GET", &format!("{v3}/datasets/{dataset}/records"), b"")
            .json();
        let kept: Value = kept["records"]
            .as_str()
            .map_or(kept["records"].clone(), |records| {
                serde_json::from_str(records).unwrap()
            });
        let record = text(&kept[0], &["dataset_record_id"]);
        let scorer = post3(
            "scorers/register",
            json!({ "experiment_id": experiment, "name": mark, "serialized_scorer": json!({ "name": mark }).to_string() }),
        );
        let scorer = text(&scorer, &["scorer_id"]);
        post(
            "registered-models/create",
            json!({ "name": mark, "tags": [{ "key": mark, "value": mark }] }),
        );
        post(
            "model-versions/create",
            json!({ "name": mark, "source": format!("runs:/{run}"), "run_id": run, "tags": [{ "key": mark, "value": mark }] }),
        );
        post(
            "registered-models/alias",
            json!({ "name": mark, "alias": mark, "version": "1" }),
        );
        let prompt = [
            json!({ "key": "mlflow.prompt.is_prompt", "value": "true" }),
            json!({ "key": "mlflow.prompt.text", "value": mark }),
        ];
        let name = format!("{mark}-prompt");
        post(
            "registered-models/create",
            json!({ "name": name, "tags": [prompt[0]] }),
        );
        post(
            "model-versions/create",
            json!({ "name": name, "source": "dummy-source", "tags": prompt }),
        );
        let issue = post3(
            "issues",
            json!({ "experiment_id": experiment, "name": mark, "description": mark }),
        );
        let question = post3(
            "label-schemas/create",
            json!({ "experiment_id": experiment, "name": mark, "type": "FEEDBACK", "instruction": mark, "input": { "text": {} } }),
        );
        let begun = asking.done(
            "POST",
            &format!("{BASE}-artifacts/mpu/create/{experiment}/{run}/artifacts"),
            &json!({ "path": mark, "num_parts": 1 }),
        );
        Things {
            mark: mark.to_owned(),
            upload: text(&begun, &["upload_id"]),
            issue: text(&issue, &["issue", "issue_id"]),
            question: text(&question, &["label_schema", "schema_id"]),
            experiment,
            run,
            model,
            trace,
            assessment,
            dataset,
            record,
            scorer,
        }
    }

    /// Everything there is to know of them, by the owner.
    pub(crate) fn all(&self, asking: &Asking<'_>) -> Vec<(String, u16, String)> {
        let v3 = BASE.replace("2.0", "3.0");
        let Things {
            mark,
            experiment,
            run,
            model,
            trace,
            assessment,
            dataset,
            issue,
            question,
            ..
        } = self;
        let paths = [
            format!("{BASE}/experiments/get?experiment_id={experiment}"),
            format!("{BASE}/runs/get?run_id={run}"),
            format!("{BASE}/metrics/get-history?run_id={run}&metric_key={mark}"),
            format!("{BASE}/logged-models/{model}"),
            format!("{v3}/traces/{trace}"),
            format!("{v3}/traces/get?trace_id={trace}"),
            format!("{v3}/traces/{trace}/assessments/{assessment}"),
            format!("{v3}/datasets/{dataset}"),
            format!("{v3}/datasets/{dataset}/records"),
            format!("{v3}/datasets/{dataset}/experiment-ids"),
            format!("{v3}/scorers/list?experiment_id={experiment}"),
            format!("{v3}/issues/{issue}"),
            format!("{v3}/label-schemas/get?schema_id={question}"),
            format!("{v3}/scorers/versions?experiment_id={experiment}&name={mark}"),
            format!("{BASE}/registered-models/get?name={mark}"),
            format!("{BASE}/registered-models/get?name={mark}-prompt"),
            format!("{BASE}/model-versions/get?name={mark}&version=1"),
            format!("{BASE}/registered-models/alias?name={mark}&alias={mark}"),
            format!("{BASE}-artifacts/artifacts?path={experiment}/{run}/artifacts"),
            format!("{BASE}-artifacts/artifacts?path={experiment}/models/{model}/artifacts"),
            format!("{BASE}-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"),
        ];
        let look = |path: String| {
            let got = asking.owner("GET", &path, b"");
            (path, got.status, got.body)
        };
        paths.into_iter().map(look).collect()
    }

    /// The request of a route about these things.
    ///
    /// # Panics
    /// Where there is none: every route has one.
    #[rustfmt::skip] // The rows of a table, one for each route.
    pub(crate) fn request(&self, route: &RouteInfo) -> Request {
        let Things { mark, experiment, run, model, trace, assessment, dataset, record, scorer, upload, issue, question } = self;
        let path = route.path.replace("{project}", "flights");
        let place = path.trim_start_matches("/p/flights").trim_start_matches("/api/");
        let files = format!("{experiment}/{run}/artifacts");
        let new = format!("new-{}", uuid::Uuid::now_v7().simple());
        let tag = json!({ "key": mark, "value": "changed" });
        let label = |value: &str| json!({ "key": "k", "value": value });
        let info = |id: &str| json!({ "trace_id": id,
            "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } },
            "request_time": "2024-01-01T00:00:00Z", "state": "ERROR" });
        let old_trace = json!({ "experiment_id": experiment, "timestamp_ms": 1, "status": "OK" });
        let asked = format!(
            "{{ mlflowGetRun(input: {{ runId: \"{run}\" }}) {{ run {{ info {{ runId runName }} experiment {{ name }} modelVersions {{ name }} }} }} }}"
        );
        let assessed = json!({ "assessment": { "assessment_name": "new", "source": { "source_type": "HUMAN" }, "feedback": { "value": 1 } } });
        let counted = json!({ "experiment_ids": [experiment], "view_type": "TRACES", "metric_name": "trace_count",
            "aggregations": [{ "aggregation_type": "COUNT" }], "dimensions": ["trace_name"] });
        let correlated = json!({ "experiment_ids": [experiment], "filter_string1": "trace.status = 'OK'", "filter_string2": "trace.status = 'OK'" });
        let metric = json!({ "run_id": run, "key": mark, "value": 7, "timestamp": 2 });
        let input = json!({ "name": "new", "digest": "1", "source_type": "x", "source": "x" });
        use Needs::{Change, Nothing, Sight};
        // Method and place, what it needs, whether it goes well, then what fills the path, the query and the body.
        let (needs, good, filled, body): (Needs, bool, Vec<(&str, &str)>, Value) = match (route.method.as_str(), place) {
            ("POST", "2.0/mlflow/experiments/create") => (Nothing, true, vec![], json!({ "name": new })),
            ("POST", "2.0/mlflow/experiments/delete") => (Change, true, vec![], json!({ "experiment_id": experiment })),
            ("POST", "2.0/mlflow/experiments/restore") => (Change, false, vec![], json!({ "experiment_id": experiment })),
            ("POST", "2.0/mlflow/experiments/update") => (Change, true, vec![], json!({ "experiment_id": experiment, "new_name": new })),
            ("POST", "2.0/mlflow/experiments/set-experiment-tag") => (Change, true, vec![], json!({ "experiment_id": experiment, "key": mark, "value": "changed" })),
            ("POST", "2.0/mlflow/experiments/delete-experiment-tag") => (Change, true, vec![], json!({ "experiment_id": experiment, "key": mark })),
            ("GET", "2.0/mlflow/experiments/get") => (Sight, true, vec![("?experiment_id", experiment)], json!({})),
            ("GET", "2.0/mlflow/experiments/get-by-name") => (Sight, true, vec![("?experiment_name", mark)], json!({})),
            ("GET", "2.0/mlflow/experiments/search") => (Sight, true, vec![("?max_results", "1000")], json!({})),
            ("POST", "2.0/mlflow/experiments/search") => (Sight, true, vec![], json!({ "max_results": 1000 })),
            ("POST", "2.0/mlflow/experiments/search-datasets") => (Sight, true, vec![], json!({ "experiment_ids": [experiment] })),
            ("POST", "2.0/mlflow/runs/create") => (Change, true, vec![], json!({ "experiment_id": experiment, "start_time": 1 })),
            ("POST", "2.0/mlflow/runs/delete") => (Change, true, vec![], json!({ "run_id": run })),
            ("POST", "2.0/mlflow/runs/restore") => (Change, true, vec![], json!({ "run_id": run })),
            ("POST", "2.0/mlflow/runs/update") => (Change, true, vec![], json!({ "run_id": run, "run_name": "changed" })),
            ("POST", "2.0/mlflow/runs/delete-tag") => (Change, true, vec![], json!({ "run_id": run, "key": mark })),
            ("POST", "2.0/mlflow/runs/set-tag") => (Change, true, vec![], json!({ "run_id": run, "key": mark, "value": "changed" })),
            ("GET", "2.0/mlflow/runs/get") => (Sight, true, vec![("?run_id", run)], json!({})),
            ("POST", "2.0/mlflow/runs/log-batch") => (Change, true, vec![], json!({ "run_id": run, "tags": [tag] })),
            ("POST", "2.0/mlflow/runs/log-inputs") => (Change, true, vec![], json!({ "run_id": run, "datasets": [{ "dataset": input }] })),
            ("POST", "2.0/mlflow/runs/log-metric") => (Change, true, vec![], metric),
            ("POST", "2.0/mlflow/runs/log-model") => (Change, true, vec![], json!({ "run_id": run, "model_json": json!({ "run_id": run, "artifact_path": "m", "utc_time_created": "x", "flavors": {} }).to_string() })),
            ("POST", "2.0/mlflow/runs/log-parameter") => (Change, true, vec![], json!({ "run_id": run, "key": "new", "value": "new" })),
            ("POST", "2.0/mlflow/runs/outputs") => (Change, true, vec![], json!({ "run_id": run, "models": [{ "model_id": model, "step": 1 }] })),
            ("POST", "2.0/mlflow/runs/search") => (Sight, true, vec![], json!({ "experiment_ids": [experiment] })),
            ("GET", "2.0/mlflow/metrics/get-history") => (Sight, true, vec![("?run_id", run), ("&metric_key", mark)], json!({})),
            ("GET", "2.0/mlflow/metrics/get-history-bulk") => (Sight, true, vec![("?run_id", run), ("&metric_key", mark)], json!({})),
            ("GET", "2.0/mlflow/metrics/get-history-bulk-interval") => (Sight, true, vec![("?run_ids", run), ("&metric_key", mark), ("&max_results", "100")], json!({})),
            ("GET", "2.0/mlflow/artifacts/list") => (Sight, true, vec![("?run_id", run)], json!({})),
            ("POST", "2.0/mlflow/artifacts/presigned-download-url") => (Change, false, vec![], json!({ "run_id": run, "path": "a.txt" })),
            ("POST", "2.0/mlflow/artifacts/presigned-upload-url") => (Change, false, vec![], json!({ "run_id": run, "path": "a.txt" })),
            ("POST", "2.0/mlflow/logged-models") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": "new" })),
            ("POST", "2.0/mlflow/logged-models/search") => (Sight, true, vec![], json!({ "experiment_ids": [experiment] })),
            ("DELETE", "2.0/mlflow/logged-models/{model_id}") => (Change, true, vec![("{model_id}", model)], json!({})),
            ("GET", "2.0/mlflow/logged-models/{model_id}") => (Sight, true, vec![("{model_id}", model)], json!({})),
            ("PATCH", "2.0/mlflow/logged-models/{model_id}") => (Change, true, vec![("{model_id}", model)], json!({ "model_id": model, "status": "LOGGED_MODEL_READY" })),
            ("GET", "2.0/mlflow/logged-models/{model_id}/artifacts/directories") => (Sight, true, vec![("{model_id}", model)], json!({})),
            ("GET", "2.0/mlflow/logged-models/{model_id}/artifacts/files") => (Sight, true, vec![("{model_id}", model), ("?artifact_file_path", "a.txt")], json!({})),
            ("POST", "2.0/mlflow/logged-models/{model_id}/params") => (Change, true, vec![("{model_id}", model)], json!({ "params": [label("v")] })),
            ("PATCH", "2.0/mlflow/logged-models/{model_id}/tags") => (Change, true, vec![("{model_id}", model)], json!({ "tags": [tag] })),
            ("DELETE", "2.0/mlflow/logged-models/{model_id}/tags/{tag_key}") => (Change, true, vec![("{model_id}", model), ("{tag_key}", mark)], json!({})),
            ("DELETE", "2.0/mlflow/registered-models/alias") => (Change, true, vec![], json!({ "name": mark, "alias": mark })),
            ("GET", "2.0/mlflow/registered-models/alias") => (Sight, true, vec![("?name", mark), ("&alias", mark)], json!({})),
            ("POST", "2.0/mlflow/registered-models/alias") => (Change, true, vec![], json!({ "name": mark, "alias": "new", "version": "1" })),
            ("POST", "2.0/mlflow/registered-models/create") => (Nothing, true, vec![], json!({ "name": new })),
            ("DELETE", "2.0/mlflow/registered-models/delete") => (Change, true, vec![], json!({ "name": mark })),
            ("DELETE", "2.0/mlflow/registered-models/delete-tag") => (Change, true, vec![], json!({ "name": mark, "key": mark })),
            ("GET", "2.0/mlflow/registered-models/get") => (Sight, true, vec![("?name", mark)], json!({})),
            ("GET", "2.0/mlflow/registered-models/get-latest-versions") => (Sight, true, vec![("?name", mark)], json!({})),
            ("POST", "2.0/mlflow/registered-models/get-latest-versions") => (Sight, true, vec![], json!({ "name": mark })),
            ("POST", "2.0/mlflow/registered-models/rename") => (Change, true, vec![], json!({ "name": mark, "new_name": new })),
            ("GET", "2.0/mlflow/registered-models/search") => (Sight, true, vec![("?max_results", "1000"), ("&filter", "name ILIKE '%'")], json!({})),
            ("POST", "2.0/mlflow/registered-models/set-tag") => (Change, true, vec![], json!({ "name": mark, "key": mark, "value": "changed" })),
            ("PATCH", "2.0/mlflow/registered-models/update") => (Change, true, vec![], json!({ "name": format!("{mark}-prompt"), "description": "changed" })),
            ("POST", "2.0/mlflow/model-versions/create") => (Change, true, vec![], json!({ "name": mark, "source": format!("runs:/{run}"), "run_id": run })),
            ("DELETE", "2.0/mlflow/model-versions/delete") => (Change, true, vec![], json!({ "name": mark, "version": "1" })),
            ("DELETE", "2.0/mlflow/model-versions/delete-tag") => (Change, true, vec![], json!({ "name": mark, "version": "1", "key": mark })),
            ("GET", "2.0/mlflow/model-versions/get") => (Sight, true, vec![("?name", mark), ("&version", "1")], json!({})),
            ("GET", "2.0/mlflow/model-versions/get-download-uri") => (Sight, true, vec![("?name", mark), ("&version", "1")], json!({})),
            ("GET", "2.0/mlflow/model-versions/search") => (Sight, true, vec![("?max_results", "1000")], json!({})),
            ("POST", "2.0/mlflow/model-versions/set-tag") => (Change, true, vec![], json!({ "name": format!("{mark}-prompt"), "version": "1", "key": "k", "value": "v" })),
            ("POST", "2.0/mlflow/model-versions/transition-stage") => (Change, true, vec![], json!({ "name": mark, "version": "1", "stage": "Staging", "archive_existing_versions": false })),
            ("PATCH", "2.0/mlflow/model-versions/update") => (Change, true, vec![], json!({ "name": mark, "version": "1", "description": "changed" })),
            ("GET", "2.0/mlflow-artifacts/artifacts") => (Sight, true, vec![("?path", &files)], json!({})),
            ("DELETE", "2.0/mlflow-artifacts/artifacts/{*path}") => (Change, true, vec![("{*path}", &files)], json!({})),
            ("GET", "2.0/mlflow-artifacts/artifacts/{*path}") => (Sight, true, vec![("{*path}", &files), ("+", "/a.txt")], json!({})),
            ("PUT", "2.0/mlflow-artifacts/artifacts/{*path}") => (Change, true, vec![("{*path}", &files), ("+", "/a.txt")], json!("changed")),
            ("POST", "2.0/mlflow-artifacts/mpu/create/{*path}") => (Change, true, vec![("{*path}", &files)], json!({ "path": "new", "num_parts": 1 })),
            ("PUT", "2.0/mlflow-artifacts/mpu/parts/{upload}/{number}") => (Change, true, vec![("{upload}", upload), ("{number}", "1")], json!("part")),
            ("POST", "2.0/mlflow-artifacts/mpu/complete/{*path}") => (Change, false, vec![("{*path}", &files)], json!({ "path": mark, "upload_id": upload, "parts": [{ "part_number": 1, "etag": "x" }] })),
            ("POST", "2.0/mlflow-artifacts/mpu/abort/{*path}") => (Change, true, vec![("{*path}", &files)], json!({ "path": mark, "upload_id": upload })),
            ("GET", "2.0/mlflow-artifacts/presigned/{*path}") => (Sight, true, vec![("{*path}", &files), ("+", "/a.txt")], json!({})),
            ("GET", "2.0/mlflow/get-trace-artifact" | "3.0/mlflow/get-trace-artifact") => (Sight, true, vec![("?request_id", trace)], json!({})),
            ("GET", "2.0/mlflow/traces") => (Sight, true, vec![("?experiment_ids", experiment)], json!({})),
            ("POST", "2.0/mlflow/traces") => (Change, true, vec![], old_trace),
            ("POST", "2.0/mlflow/traces/delete-traces" | "3.0/mlflow/traces/delete-traces") => (Change, true, vec![], json!({ "experiment_id": experiment, "request_ids": [trace] })),
            ("POST", "2.0/mlflow/traces/link-prompts") => (Change, true, vec![], json!({ "trace_id": trace, "prompt_versions": [{ "name": format!("{mark}-prompt"), "version": "1" }] })),
            ("POST", "2.0/mlflow/traces/link-to-run") => (Change, true, vec![], json!({ "run_id": run, "trace_ids": [trace] })),
            ("PATCH", "2.0/mlflow/traces/{request_id}") => (Change, true, vec![("{request_id}", trace)], json!({ "request_id": trace, "timestamp_ms": 2, "status": "ERROR" })),
            ("GET", "2.0/mlflow/traces/{request_id}/info") => (Sight, true, vec![("{request_id}", trace)], json!({})),
            ("DELETE", "2.0/mlflow/traces/{request_id}/tags" | "2.0/mlflow/traces/{trace_id}/tags" | "3.0/mlflow/traces/{trace_id}/tags") => (Change, true, vec![("{request_id}", trace), ("{trace_id}", trace)], json!({ "key": mark })),
            ("PATCH", "2.0/mlflow/traces/{request_id}/tags" | "2.0/mlflow/traces/{trace_id}/tags" | "3.0/mlflow/traces/{trace_id}/tags") => (Change, true, vec![("{request_id}", trace), ("{trace_id}", trace)], tag),
            ("POST", "3.0/mlflow/traces") => (Change, true, vec![], json!({ "trace": { "trace_info": info(trace) } })),
            ("GET", "3.0/mlflow/traces/batchGet") => (Sight, true, vec![("?trace_ids", trace)], json!({})),
            ("POST", "3.0/mlflow/traces/batchGetInfos") => (Sight, true, vec![], json!({ "trace_ids": [trace] })),
            ("POST", "3.0/mlflow/traces/calculate-filter-correlation") => (Sight, true, vec![], correlated),
            ("GET", "3.0/mlflow/traces/get") => (Sight, true, vec![("?trace_id", trace)], json!({})),
            ("POST", "3.0/mlflow/traces/metrics") => (Sight, true, vec![], counted),
            ("POST", "3.0/mlflow/traces/search") => (Sight, true, vec![], json!({ "locations": [{ "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } }] })),
            ("GET", "3.0/mlflow/traces/{trace_id}") => (Sight, true, vec![("{trace_id}", trace)], json!({})),
            ("POST", "3.0/mlflow/traces/{trace_id}/assessments") => (Change, true, vec![("{trace_id}", trace)], assessed),
            ("DELETE", "3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}") => (Change, true, vec![("{trace_id}", trace), ("{assessment_id}", assessment)], json!({})),
            ("GET", "3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}") => (Sight, true, vec![("{trace_id}", trace), ("{assessment_id}", assessment)], json!({})),
            ("PATCH", "3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}") => (Change, true, vec![("{trace_id}", trace), ("{assessment_id}", assessment)], json!({ "assessment": { "rationale": "changed" }, "update_mask": "rationale" })),
            ("POST", "/v1/traces") => (Change, true, vec![], spans(trace, "new")),
            ("POST", "3.0/mlflow/datasets/create") => (Change, true, vec![], json!({ "name": "new", "experiment_ids": [experiment] })),
            ("GET", "3.0/mlflow/datasets/search") => (Sight, true, vec![("?experiment_ids", experiment)], json!({})),
            ("POST", "3.0/mlflow/datasets/search") => (Sight, true, vec![], json!({})),
            ("DELETE", "3.0/mlflow/datasets/{dataset_id}") => (Change, true, vec![("{dataset_id}", dataset)], json!({})),
            ("GET", "3.0/mlflow/datasets/{dataset_id}" | "3.0/mlflow/datasets/{dataset_id}/experiment-ids" | "3.0/mlflow/datasets/{dataset_id}/records") => (Sight, true, vec![("{dataset_id}", dataset)], json!({})),
            ("POST", "3.0/mlflow/datasets/{dataset_id}/add-experiments" | "3.0/mlflow/datasets/{dataset_id}/remove-experiments") => (Change, true, vec![("{dataset_id}", dataset)], json!({ "experiment_ids": [experiment] })),
            ("DELETE", "3.0/mlflow/datasets/{dataset_id}/records") => (Change, true, vec![("{dataset_id}", dataset)], json!({ "dataset_record_ids": [record] })),
            ("POST", "3.0/mlflow/datasets/{dataset_id}/records") => (Change, true, vec![("{dataset_id}", dataset)], json!({ "records": json!([{ "inputs": { "q": 1 } }]).to_string() })),
            ("PATCH", "3.0/mlflow/datasets/{dataset_id}/tags") => (Change, true, vec![("{dataset_id}", dataset)], json!({ "tags": json!({ "k": "v" }).to_string() })),
            ("DELETE", "3.0/mlflow/datasets/{dataset_id}/tags/{key}") => (Change, true, vec![("{dataset_id}", dataset), ("{key}", mark)], json!({})),
            ("DELETE", "3.0/mlflow/scorers/delete") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": mark })),
            ("GET", "3.0/mlflow/scorers/get" | "3.0/mlflow/scorers/versions") => (Sight, true, vec![("?experiment_id", experiment), ("&name", mark)], json!({})),
            ("GET", "3.0/mlflow/scorers/list") => (Sight, true, vec![], json!({})),
            ("POST", "3.0/mlflow/scorers/register") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": mark, "serialized_scorer": "{}" })),
            ("PUT", "3.0/mlflow/scorers/online-config") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": mark, "sample_rate": 0.0 })),
            ("GET", "3.0/mlflow/scorers/online-configs") => (Sight, true, vec![("?scorer_ids", scorer)], json!({})),
            ("GET", "/get-artifact") => (Sight, true, vec![("?run_id", run), ("&path", "a.txt")], json!({})),
            ("GET", "/model-versions/get-artifact") => (Sight, true, vec![("?name", mark), ("&version", "1"), ("&path", "a.txt")], json!({})),
            ("POST", "2.0/mlflow/upload-artifact") => (Change, true, vec![("?run_uuid", run), ("&path", "new.txt")], json!("new")),
            ("GET", "3.0/mlflow/server-info" | "/version") => (Nothing, true, vec![], json!({})),
            ("POST", "3.0/mlflow/issues") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": "new", "description": "new" })),
            ("POST", "3.0/mlflow/issues/search") => (Sight, true, vec![], json!({})),
            ("GET", "3.0/mlflow/issues/{issue_id}") => (Sight, true, vec![("{issue_id}", issue)], json!({})),
            ("PATCH", "3.0/mlflow/issues/{issue_id}") => (Change, true, vec![("{issue_id}", issue)], json!({ "issue_id": issue, "name": "changed" })),
            ("POST", "3.0/mlflow/label-schemas/create") => (Change, true, vec![], json!({ "experiment_id": experiment, "name": "new", "type": "FEEDBACK", "input": { "text": {} } })),
            ("DELETE", "3.0/mlflow/label-schemas/delete") => (Change, true, vec![], json!({ "schema_id": question })),
            ("GET", "3.0/mlflow/label-schemas/get") => (Sight, true, vec![("?schema_id", question)], json!({})),
            ("GET", "3.0/mlflow/label-schemas/get-by-name") => (Sight, true, vec![("?experiment_id", experiment), ("&name", mark)], json!({})),
            ("GET", "3.0/mlflow/label-schemas/list") => (Sight, true, vec![("?experiment_id", experiment)], json!({})),
            ("PATCH", "3.0/mlflow/label-schemas/update") => (Change, true, vec![], json!({ "schema_id": question, "instruction": "changed" })),
            ("GET", "3.0/mlflow/workspaces") => (Nothing, true, vec![], json!({})),
            ("GET", "3.0/mlflow/workspaces/{workspace_name}") => (Nothing, true, vec![("{workspace_name}", "flights")], json!({})),
            (_, workspace) if workspace.starts_with("3.0/mlflow/workspaces") => (Change, false, vec![("{workspace_name}", "flights")], json!({ "name": "new" })),
            ("GET", "/graphql") => (Sight, true, vec![("?query", &asked)], json!({})),
            ("POST", "/graphql") => (Sight, true, vec![], json!({ "query": asked })),
            ("GET" | "POST", "3.0/mlflow/ui-telemetry") => (Nothing, true, vec![], json!({})),
            (_, webhook) if webhook.starts_with("2.0/mlflow/webhooks") => (Change, false, vec![("{webhook_id}", "x")], json!({ "name": "n", "url": "https://example.org/", "events": [{ "entity": "REGISTERED_MODEL", "action": "CREATED" }] })),
            (method, place) => panic!("no request is known for {method} {place}: say what it shows and what it changes"),
        };
        let mut address = path.clone();
        for (name, value) in filled {
            let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            match name.as_bytes()[0] {
                b'{' => address = address.replace(name, value),
                b'+' => address.push_str(value),
                _ => address.push_str(&format!("{name}={escaped}")),
            }
        }
        Request {
            path: address,
            body: body.to_string().into_bytes(),
            headers: vec![format!("x-mlflow-experiment-id: {experiment}")],
            needs,
            good,
        }
    }
}

/// A span of that trace, as OTLP has it.
fn spans(trace: &str, name: &str) -> Value {
    let id = trace.trim_start_matches("tr-");
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{ "traceId": id, "spanId": "00000000000000aa", "name": name,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000" }] }] }] })
}
