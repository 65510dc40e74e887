"""What the comparison of two answers leaves out, all of it: ids, times and texts that no two servers share."""
import json
import re

# Fields that are not compared, and why.
LEFT_OUT = {
    "message": "the words of an error are our own",
    "error_class": "Databricks' field in error bodies",
    "sqlstate": "the same",
    "effective_trace_archival_retention": "a setting of MLflow's server",
    "workspace": "a project here",
    "user_id": "the name of the server's user",
    "run_link": "a link to MLflow's pages",
}
# Lists whose order no client relies on.
UNORDERED = {"tags", "params", "metrics", "aliases", "latest_versions", "request_metadata", "assessments"}
# Fields that hold an address of artifacts, whose number of slashes differs.
ADDRESSES = {"artifact_location", "artifact_uri", "root_uri"}


def of_refusal(status, body):
    """Of an answer that turns a caller away, the status alone is compared: MLflow's body is a text, ours its own error body."""
    return "REFUSED" if status in (401, 403) else body


def normal(value, saved, name=None):
    """The value with ids and times replaced by their kind, and unordered lists sorted."""
    if isinstance(value, dict):
        kept = {k: normal(v, saved, k) for k, v in sorted(value.items()) if k not in LEFT_OUT}
        if kept.get("next_page_token"):
            kept["next_page_token"] = "TOKEN"
        return kept
    if isinstance(value, list):
        items = [normal(v, saved, name) for v in value]
        return sorted(items, key=json.dumps) if name in UNORDERED else items
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "time" in (name or "") and value > 100_000_000:
        return "TIME"
    if isinstance(value, str) and (name or "").endswith("_time") and "2025" < value < "2100":
        return "TIME"
    if isinstance(value, str):
        for kind, one in saved.items():
            value = re.sub(rf"(?<![0-9a-z]){re.escape(one)}(?![0-9a-z])", f"${kind}", value)
        value = re.sub(r"\b[0-9a-f]{32}\b", "ID", value)
        if name in ADDRESSES:
            value = re.sub(r"^mlflow-artifacts:/+", "mlflow-artifacts:/", value)
    return value
