"""What the comparison of two answers leaves out, all of it: ids, times and words that no two servers share."""
import json
import re
import time

# Fields that are not compared, and why.
LEFT_OUT = {
    "error_class": "Databricks' field in error bodies",
    "sqlstate": "the same",
    "effective_trace_archival_retention": "a setting of MLflow's server",
    "workspace": "a project here",
}
# Fields of which only it is compared that they say something, and why.
WORDS = {
    "message": "the words of an error are our own",
    "next_page_token": "a token is opaque",
}
# Lists whose order no client relies on, under the field that holds them.
UNORDERED = {
    ("data", "metrics"),
    ("data", "params"),
    ("data", "tags"),
    ("info", "tags"),
    ("experiment", "tags"),
    ("experiments", "tags"),
    ("registered_model", "tags"),
    ("registered_model", "aliases"),
    ("registered_model", "latest_versions"),
    ("registered_models", "tags"),
    ("registered_models", "aliases"),
    ("registered_models", "latest_versions"),
    ("latest_versions", "tags"),
    ("latest_versions", "aliases"),
    ("model_version", "tags"),
    ("model_version", "aliases"),
    ("model_versions", "tags"),
    ("model_versions", "aliases"),
    ("inputs", "dataset_inputs"),
    ("dataset_inputs", "tags"),
    ("answer", "dataset_summaries"),
    ("traces", "tags"),
    ("traces", "request_metadata"),
    ("trace_info", "tags"),
    ("trace_info", "request_metadata"),
    # Records that are made in one call are in the order of random ids in MLflow.
    ("answer", "records"),
}
# Fields of evaluation datasets that are texts of JSON: their spaces and the order of their fields are nothing.
JSON_TEXTS = {"tags", "schema", "profile", "records"}
# A digest made of a name and the time, which differs.
MARK = re.compile(r"[0-9a-f]{8}")
# Fields in which a saved number stands for an id; elsewhere a number is only a number.
IDS = {"experiment_id"}
# Numbers of roles and of what belongs to them: MLflow gives some to roles that it keeps for whoever has made something.
ROLE_PARTS = {"role", "roles", "role_permission", "role_permissions", "permissions", "assignment", "assignments"}
# A name that the server made up for a run or a logged model.
MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
# Fields that hold a time without saying so.
TIMES = {"created_at", "last_updated_at"}
# How far from now a time in milliseconds may be that the server made, rather than the client.
NOW = 3_600_000


def of_refusal(status, body):
    """Of an answer that turns a caller away, the status alone is compared: MLflow's body is a text, ours its own error body."""
    return "REFUSED" if status in (401, 403) else body


def left_out(name, value):
    """Whether a field is not compared. A workspace that is no name is what was asked for."""
    return name in LEFT_OUT and not (name == "workspace" and isinstance(value, dict))


def opened(value, name):
    """What a text of JSON says; any other value as it is."""
    if name in JSON_TEXTS and isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            pass
    return value


def normal(value, saved, name="answer", above=None):
    """The value with ids and the server's times replaced by their kind, and unordered lists sorted."""
    value = opened(value, name)
    if isinstance(value, dict):
        kept = {k: normal(v, saved, k, name) for k, v in sorted(value.items()) if not left_out(k, v)}
        # Who registered a version is known here; MLflow leaves it empty.
        if name in ("model_version", "model_versions", "latest_versions"):
            kept.pop("user_id", None)
        return kept
    if isinstance(value, list):
        items = [normal(v, saved, name, above) for v in value]
        return sorted(items, key=json.dumps) if (above, name) in UNORDERED else items
    if made_now(value, name):
        return "TIME"
    if numbered(value, name, above):
        return "NUMBER"
    if name in IDS and isinstance(value, int) and str(value) in saved.values():
        return text(str(value), saved, name)
    if isinstance(value, str):
        return "WORDS" if name in WORDS and value else text(value, saved, name)
    return value


def numbered(value, name, above):
    """Whether it is the number of a role or of what belongs to one."""
    return isinstance(value, int) and (name == "role_id" or (name == "id" and above in ROLE_PARTS))


def made_now(value, name):
    """Whether it is a time that the server took from its clock."""
    if isinstance(value, str):
        return name.endswith("_time") and re.match(r"20\d\d-\d\d-\d\dT", value) is not None
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and ("time" in name or name in TIMES) and abs(value - time.time() * 1000) < NOW


def text(value, saved, name):
    """The text with the ids in it replaced."""
    for kind, one in saved.items():
        if not one.isdigit():
            value = re.sub(rf"(?<![0-9A-Za-z]){re.escape(one)}(?![0-9A-Za-z])", f"${kind}", value)
        elif name in (*IDS, "path") and value == one:
            return f"${kind}"
        elif re.match(r"[a-z-]+:/", value):
            value = re.sub(rf"(?<=/){one}(?=/|$)", f"${kind}", value)
    # The number of an experiment that the scenario did not save.
    if name in IDS and value.isdigit():
        return "NUMBER"
    value = re.sub(r"^(mlflow-artifacts:/+)\d+(?=/|$)", r"\1NUMBER", value)
    value = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", value)
    if MADE_UP.fullmatch(value):
        return "MADE-UP"
    if name == "digest" and MARK.fullmatch(value):
        return "MARK"
    return re.sub(r"^mlflow-artifacts:/+", "mlflow-artifacts:/", value)
