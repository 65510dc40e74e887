"""Moves a real MLflow server's contents into Mainspan and back out into another real server, and compares all three.

    target/test-python/bin/python tests/mlflow/moving.py target/debug/mainspan [--traces]

Everything is read through the REST protocol. Prints a line for each thing that holds, and ends with 1 when one does not.
A server on Postgres is moved, too, where Postgres' programs and MLflow's driver for it (`psycopg`) are installed.
"""
import argparse
import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import servers
from normal import LEFT_OUT

API, API_3 = "/api/2.0/mlflow/", "/api/3.0/mlflow/"
# Of a copy in, these alone may differ: `normal.py` says why, and users are compared here.
HIDDEN = set(LEFT_OUT) - {"user_id"}
# What a copy out cannot keep, because MLflow's protocol gives it anew.
GIVEN_ANEW = {
    "run_id", "run_uuid", "model_id", "source_run_id", "user_id", "creation_time", "last_update_time", "creation_timestamp",
    "last_updated_timestamp", "creation_timestamp_ms", "last_updated_timestamp_ms", "artifact_uri", "artifact_location",
    "dataset_id", "dataset_record_id", "scorer_id", "webhook_id", "mark", "created_time", "last_updated_by",
}


def call(url, path, query=None, body=None, method=None):
    """The answer to a GET, or to a POST when there is a body, unless it says otherwise."""
    path = path if path.startswith("/") else API + path
    if query:
        path += "?" + urllib.parse.urlencode(query, doseq=True)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return text


def ordering(value):
    """What sorts values of any shape."""
    return json.dumps(value, sort_keys=True)


def listed(field, ask):
    """All items of a listing that comes in pages."""
    token, items = None, []
    while True:
        answer = ask({"page_token": token} if token else {})
        items += answer.get(field, [])
        token = answer.get("next_page_token")
        if not token:
            return items


class Reader:
    """Everything that a server holds, read through its protocol, with experiments called by their names."""

    def __init__(self, url, with_traces):
        self.url, self.with_traces = url, with_traces
        found = listed("experiments", lambda more: call(url, "experiments/search", body={"max_results": 2, "view_type": "ALL", **more}))
        self.experiments = {one["experiment_id"]: one for one in found}

    def read(self):
        ids = list(self.experiments)
        runs = [run for id in ids for run in self.runs(id)]
        logged = [model for id in ids for model in listed("models", lambda more: call(self.url, "logged-models/search", body={"experiment_ids": [id], **more}))]
        models = listed("registered_models", lambda more: call(self.url, "registered-models/search", {"max_results": 2, **more}))
        prompts = self.prompts()
        return {
            "experiments": [self.shown(one) for one in self.experiments.values()],
            "runs": [self.shown(run) for run in runs],
            "histories": [[run["info"]["run_id"], self.histories(run)] for run in runs],
            "run files": [[run["info"]["run_id"], self.files(run["info"]["artifact_uri"])] for run in runs],
            "logged models": [self.shown(model) for model in logged],
            "model files": [[model["info"]["model_id"], self.files(model["info"]["artifact_uri"])] for model in logged],
            "registered models": [self.shown(model) for model in models],
            "prompts": [self.shown(prompt) for prompt in prompts],
            "versions": [self.shown(version) for model in models for version in self.versions(model["name"])],
            "prompt versions": [self.shown(version) for one in prompts for version in self.versions(one["name"], " AND " + PROMPT)],
            "evaluation datasets": [self.shown(one) for one in self.datasets()],
            "evaluation records": [self.shown(record) for one in self.datasets() for record in self.records(one)],
            "scorers": [self.shown(version) for id in ids for version in self.scorers(id)],
            "webhooks": [self.shown(one) for one in self.webhooks()],
            "traces": [self.shown(trace) for id in ids for trace in self.traces(id)] if self.with_traces else [],
        }

    def runs(self, experiment):
        ask = {"experiment_ids": [experiment], "run_view_type": "ALL", "max_results": 3}
        return listed("runs", lambda more: call(self.url, "runs/search", body={**ask, **more}))

    def histories(self, run):
        def history(key):
            query = {"run_id": run["info"]["run_id"], "metric_key": key, "max_results": 700}
            return listed("metrics", lambda more: call(self.url, "metrics/get-history", {**query, **more}))

        return {metric["key"]: history(metric["key"]) for metric in run["data"].get("metrics", [])}

    def files(self, uri, below=""):
        """The digest of every file below an artifact root."""
        root = re.sub(r"^mlflow-artifacts:/+", "", uri)
        path = f"{root}/{below}".rstrip("/")
        found = {}
        for file in call(self.url, "/api/2.0/mlflow-artifacts/artifacts", {"path": path}).get("files", []):
            name = f"{below}/{file['path']}".lstrip("/")
            if file["is_dir"]:
                found |= self.files(uri, name)
            else:
                at = "/api/2.0/mlflow-artifacts/artifacts/" + urllib.parse.quote(f"{root}/{name}")
                with urllib.request.urlopen(self.url + at, timeout=60) as answer:
                    found[name] = hashlib.sha256(answer.read()).hexdigest()
        return found

    def prompts(self):
        return listed("registered_models", lambda more: call(self.url, "registered-models/search", {"filter": PROMPT, **more}))

    def versions(self, name, more_filter=""):
        quote = '"' if "'" in name else "'"
        query = {"filter": f"name = {quote}{name}{quote}{more_filter}", "max_results": 2}
        return listed("model_versions", lambda more: call(self.url, "model-versions/search", {**query, **more}))

    def traces(self, experiment):
        where = {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}], "max_results": 2}
        found = listed("traces", lambda more: call(self.url, "/api/3.0/mlflow/traces/search", body={**where, **more}))
        return [call(self.url, "/api/3.0/mlflow/traces/get", {"trace_id": one["trace_id"]})["trace"] for one in found]

    def datasets(self):
        """The evaluation datasets, with what they hold as JSON read, and with their experiments."""
        found = listed("datasets", lambda more: call(self.url, API_3 + "datasets/search", body={"max_results": 2, **more}))
        for one in found:
            for field in ("tags", "schema", "profile"):
                one[field] = json.loads(one.get(field) or "null")
            # Another field than the digest of what a run read.
            one["mark"] = one.pop("digest")
            homes = call(self.url, API_3 + f"datasets/{one['dataset_id']}/experiment-ids").get("experiment_ids", [])
            one["homes"] = sorted(self.experiments[id]["name"] for id in homes)
        return found

    def records(self, dataset):
        at = API_3 + f"datasets/{dataset['dataset_id']}/records"
        pages = listed("pages", lambda more: self.page(call(self.url, at, {"max_results": 100, **more})))
        return [record for page in pages for record in page]

    @staticmethod
    def page(answer):
        """An answer that holds its records as a text, as one with a list of lists."""
        return {**answer, "pages": [json.loads(answer["records"])]}

    def scorers(self, experiment):
        found = call(self.url, API_3 + "scorers/list", {"experiment_ids": [experiment]}).get("scorers", [])
        names = [one["scorer_name"] for one in found]
        versions = [version for name in names for version in
                    call(self.url, API_3 + "scorers/versions", {"experiment_id": experiment, "name": name})["scorers"]]
        # MLflow writes what it shows anew, and Mainspan shows what was written.
        return [{**one, "serialized_scorer": json.loads(one["serialized_scorer"])} for one in versions]

    def webhooks(self):
        """The webhooks, without whether they are enabled: a copy is not."""
        found = listed("webhooks", lambda more: call(self.url, "webhooks", {"max_results": 1, **more}))
        self.enabled = [one["name"] for one in found if one.pop("status") != "DISABLED"]
        return found

    def shown(self, value, name=None):
        """The value with experiments called by name, and what cannot be equal taken out."""
        if isinstance(value, dict):
            shown = {k: self.shown(v, k) for k, v in value.items() if k not in HIDDEN}
            # MLflow shows an empty run of a version that has none, and which run measured a point on a model.
            if shown.get("run_id") == "" or "model_id" in shown and "timestamp" in shown:
                shown.pop("run_id", None)
            # Mainspan shows the versions of a logged model in two ways.
            shown.pop("registrations", None)
            return shown
        if isinstance(value, list):
            items = [self.shown(one, name) for one in value]
            return sorted(items, key=ordering) if name in ORDERLESS else items
        if name == "experiment_id":
            return self.experiments[str(value)]["name"]
        if isinstance(value, str):
            place = re.fullmatch(r"mlflow-artifacts:/+(\d+)(/.*)?", value)
            if place and place[1] in self.experiments:
                return f"mlflow-artifacts:/{self.experiments[place[1]]['name']}{place[2] or ''}"
        return value


PROMPT = "tags.`mlflow.prompt.is_prompt` = 'true'"
ORDERLESS = {
    "tags", "params", "metrics", "aliases", "latest_versions", "request_metadata", "assessments", "spans", "attributes",
    "values", "dataset_inputs", "model_inputs", "model_outputs", "events",
}


def by_source(everything):
    """The same with what a copy out gives anew taken out, in the order of what it was copied from."""
    text = json.dumps(everything)
    for kind, found in everything.items():
        for one in found:
            tags = one.get("data", one.get("info", {})).get("tags", []) + one.get("info", {}).get("tags", []) if isinstance(one, dict) else []
            for tag in tags:
                if tag["key"] in ("mainspan.source-run", "mainspan.source-model"):
                    own = one["info"]["model_id" if kind == "logged models" else "run_id"]
                    text = text.replace(own, tag["value"])

    def kept(value):
        if isinstance(value, dict):
            tag = value.get("key", "")
            if tag == "mlflow.modelVersions" or str(tag).startswith("mainspan.source-"):
                return None
            inner = {k: kept(v) for k, v in value.items() if k not in GIVEN_ANEW and not k.startswith("mainspan.source-")}
            return {k: v for k, v in inner.items() if v != []}
        if isinstance(value, list):
            items = [kept(one) for one in value]
            return [one for one in items if one is not None]
        return re.sub(r"mlflow-artifacts:/+", "mlflow-artifacts:/", value) if isinstance(value, str) else value

    whole = json.loads(text)
    return {kind: sorted((kept(one) for one in found), key=ordering) for kind, found in whole.items()}


class Check:
    """Says what holds and what does not."""

    def __init__(self):
        self.failed = 0

    def that(self, holds, words):
        print(("ok      " if holds else "NOT OK  ") + words, flush=True)
        self.failed += not holds
        return holds

    def equal(self, a, b, words):
        for kind in a:
            left, right = (sorted(side[kind], key=ordering) for side in (a, b))
            if not self.that(left == right and len(left) == len(a[kind]), f"{words}: {len(left)} {kind}"):
                for one in [x for x in left if x not in right][:2]:
                    print("  only there:", json.dumps(one)[:1500])
                for one in [x for x in right if x not in left][:2]:
                    print("  only here: ", json.dumps(one)[:1500])


class Mainspan:
    """A server and the command line beside it."""

    def __init__(self, binary, folder, url):
        self.binary, self.folder, self.url = os.path.abspath(binary), folder, url

    def command(self, *words):
        return [self.binary, "--state", f"{self.folder}/state", "--server", self.url, "-o", "json", *words]

    def run(self, *words):
        """The exit code, and the report."""
        env = {"PATH": os.environ["PATH"], "HOME": self.folder}
        done = subprocess.run(self.command(*words), env=env, capture_output=True, text=True)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {"kinds": [], "said": done.stdout + done.stderr}
        return done.returncode, report

    def project(self, name):
        return f"{self.url}/p/{name}"


def populate(url):
    """Fills a server, in a process of its own: MLflow's client remembers what is active."""
    script = pathlib.Path(__file__).with_name("populate.py")
    subprocess.run([sys.executable, script, url], check=True, stdout=sys.stderr)


def counts(report, field):
    return {line["kind"]: line[field] for line in report["kinds"] if line[field]}


def import_once(check, here, source, project, *options):
    """Copies twice: everything, and then nothing."""
    code, report = here.run("import", "mlflow", *source, "-p", project, *options)
    if not check.that(code == 0 and report.get("whole"), f"import {project}: all is there"):
        print(json.dumps(report, indent=1)[:3000])
    check.that(counts(report, "copied") == counts(report, "found"), f"import {project}: all was copied")
    disabled = sorted(note["name"] for note in report["notes"] if (note["kind"], note["state"]) == ("webhooks", "copied"))
    check.that(disabled == ["plain", "secret"], f"import {project}: the webhooks are named as disabled")
    code, again = here.run("import", "mlflow", *source, "-p", project, "--verify", *options)
    nothing = not counts(again, "copied") and not counts(again, "updated")
    check.that(code == 0 and nothing, f"import {project} again: nothing was changed")
    check.that(counts(again, "there_already") == counts(report, "found"), f"import {project} again: all was there already")


def killed(check, here, source, project, *options):
    """Ends copies in the middle, each a little later, and lets the last one finish."""
    env = {"PATH": os.environ["PATH"], "HOME": here.folder}
    ended = 0
    for runs in (1, 4, 8):
        process = subprocess.Popen(here.command("import", "mlflow", *source, "-p", project, *options), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if run_count(here.project(project)) >= runs:
                break
        ended += process.poll() is None
        process.kill()
        process.wait()
    check.that(ended > 0, f"import {project}: {ended} copies were killed under way")
    code, report = here.run("import", "mlflow", *source, "-p", project, "--verify", *options)
    check.that(code == 0, f"import {project}: the next one finished")
    return report


def exported(check, here, url, project, wanted, with_traces, options):
    """Copies a project out into an empty server, also with a copy that is killed, and compares what can be kept."""
    env = {"PATH": os.environ["PATH"], "HOME": here.folder}
    for runs in (1, 7):
        process = subprocess.Popen(here.command("export", "mlflow", url, "-p", project, *options), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and run_count(url) < runs:
            pass
        check.that(process.poll() is None, f"export: killed with {runs} runs there")
        process.kill()
        process.wait()
    code, report = here.run("export", "mlflow", url, "-p", project, *options)
    if not check.that(code == 0 and report.get("whole"), "export: all is there"):
        print(json.dumps(report, indent=1)[:3000])
    check.equal(by_source(wanted), by_source(Reader(url, with_traces).read()), "exported")
    code, again = here.run("export", "mlflow", url, "-p", project, "--verify", *options)
    nothing = not counts(again, "copied") and not counts(again, "updated")
    if not check.that(code == 0 and nothing, "export again: nothing was changed"):
        print(json.dumps(again, indent=1)[:3000])


def run_count(url):
    found = call(url, "experiments/search", body={"max_results": 100, "view_type": "ALL"}).get("experiments", [])
    ids = [one["experiment_id"] for one in found]
    if not ids:
        return 0
    return len(call(url, "runs/search", body={"experiment_ids": ids, "run_view_type": "ALL"}).get("runs", []))


def changes(check, here, theirs, project, options):
    """What changes at the source comes with the next copy, unless it was changed here, too."""
    import mlflow

    client = mlflow.MlflowClient(theirs)
    experiment = client.get_experiment_by_name("flights")
    parent = client.search_runs([experiment.experiment_id], "attributes.run_name = 'search'")[0].info.run_id
    child = client.search_runs([experiment.experiment_id], "attributes.run_name = 'try 0'")[0].info.run_id
    client.set_tag(parent, "later", "1")
    client.log_metric(parent, "loss", 9.0, timestamp=1_800_000_000_000, step=5000)
    client.set_tag(child, "later", "there")
    call(here.project(project), "runs/set-tag", body={"run_id": child, "key": "later", "value": "here"})
    code, report = here.run("import", "mlflow", theirs, "-p", project, *options)
    check.that(code == 1 and not report["whole"], "changed: the exit code says that not all is there")
    check.that(counts(report, "updated") == {"runs": 1}, "changed: the run that changed there was brought up to date")
    check.that(counts(report, "copied") == {"metric_points": 1}, "changed: the new point was copied")
    named = [note["name"] for note in report["notes"] if note["state"] == "different"]
    check.that(named == [child], "changed: the run that changed here, too, was left and is named")
    client.delete_tag(child, "later")
    call(here.project(project), "runs/delete-tag", body={"run_id": child, "key": "later"})
    code, report = here.run("import", "mlflow", theirs, "-p", project, *options)
    check.that(code == 0, "changed: equal again once both sides agree")


def evaluated(check, here, theirs, project, options):
    """Records that come later are copied; a webhook that was enabled here stays so; what was changed here is left."""
    url = here.project(project)
    reader = Reader(url, False)
    hooks = reader.webhooks()
    check.that(len(hooks) == 2 and reader.enabled == [], "evaluated: no webhook came enabled")
    call(url, f"webhooks/{hooks[0]['webhook_id']}", body={"status": "ACTIVE", "secret": "of ours"}, method="PATCH")
    ids = {one["name"]: one["dataset_id"] for one in reader.datasets()}
    at = API_3 + f"datasets/{ids['faq']}/records"
    call(theirs, at, body={"records": json.dumps([{"inputs": {"later": 1}}, {"inputs": {"later": 2}}])})
    code, report = here.run("import", "mlflow", theirs, "-p", project, *options)
    check.that(code == 0 and counts(report, "copied") == {"evaluation_records": 2}, "evaluated: the new records were copied")
    check.that(counts(report, "updated") == {"evaluation_datasets": 1}, "evaluated: their dataset was brought up to date")
    reader.webhooks()
    check.that(reader.enabled == [hooks[0]["name"]], "evaluated: the webhook that was enabled here is enabled")
    call(url, at, body={"records": json.dumps([{"inputs": {"later": 1}, "outputs": "of ours"}])})
    code, report = here.run("import", "mlflow", theirs, "-p", project, *options)
    named = sorted((note["kind"], note["state"]) for note in report["notes"])
    expect = [("evaluation_datasets", "different"), ("evaluation_records", "different")]
    check.that(code == 1 and named == expect, "evaluated: what was changed here is left and named")


def reserved(check, here, theirs, project, options):
    """An alias that shows what serves here is left out, and named."""
    import mlflow

    client = mlflow.MlflowClient(theirs)
    client.set_registered_model_alias("delay", "champion", "4")
    code, report = here.run("import", "mlflow", theirs, "-p", project, *options)
    named = [(note["name"], note["state"]) for note in report["notes"]]
    check.that(code == 0 and named == [("delay@champion", "left_out")], "reserved: the alias `champion` is left out and named")
    client.delete_registered_model_alias("delay", "champion")


def refusals(check, here, folder):
    """What is no source is refused with words, and nothing is written."""
    strange = pathlib.Path(folder, "strange.db")
    import sqlite3

    with contextlib.closing(sqlite3.connect(strange)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
        database.commit()
    for source, words in [
        (str(strange), "schema 0123456789ab"),
        (f"{folder}/none.db", "cannot open"),
        ("http://127.0.0.1:9/", "does not answer"),
        (here.url + "/nothing", "is no MLflow server"),
    ]:
        code, report = here.run("import", "mlflow", source, "-p", "refused")
        check.that(code in (1, 4) and words in report.get("said", ""), f"refused: {words}")
    check.that(run_count(here.project("refused")) == 0, "refused: nothing was written")


@contextlib.contextmanager
def postgres(folder):
    """The address of a database of a Postgres server of our own."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    # Postgres does not run as root.
    nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    os.chmod(folder, 0o777)
    make = ["initdb", "--auth=trust", "--username=mlflow", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D", f"{folder}/data"]
    subprocess.run([f"{programs}/{make[0]}", *make[1:]], check=True, stdout=subprocess.DEVNULL, cwd=folder, **nobody)
    port = servers.free_port()
    settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
    options = [word for setting in settings for word in ("-c", setting)]
    command = [f"{programs}/postgres", "-D", f"{folder}/data", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **nobody)
    try:
        deadline = time.monotonic() + 60
        create = [f"{programs}/createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "mlflow"]
        while subprocess.run(create, capture_output=True).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("Postgres does not start")
        yield f"postgresql://mlflow@127.0.0.1:{port}/mlflow"
    finally:
        server.terminate()
        server.wait()


def on_postgres(check, binary, with_traces, options):
    """Copies a server's Postgres database."""
    if not glob.glob("/usr/lib/postgresql/*/bin") or not importlib.util.find_spec("psycopg"):
        print("skipped on Postgres: its programs or psycopg are not installed")
        return
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(3)]
        # A folder that Postgres' user can reach, wherever ours are.
        folders[0] = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
        database = stack.enter_context(postgres(folders[0]))
        more = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        theirs = stack.enter_context(servers.mlflow_server(folders[1], "--backend-store-uri", database, **more))
        here = Mainspan(binary, folders[2], stack.enter_context(servers.mainspan_server(binary, folders[2])))
        populate(theirs)
        import_once(check, here, [database, "--artifacts", f"{folders[1]}/artifacts"], "postgres", *options)
        check.equal(Reader(theirs, with_traces).read(), Reader(here.project("postgres"), with_traces).read(), "postgres")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="the mainspan to test")
    parser.add_argument("--traces", action="store_true", help="move traces, too")
    asked = parser.parse_args()
    check = Check()
    options = [] if asked.traces else ["--no-traces"]
    with contextlib.ExitStack() as stack:
        theirs_folder, here_folder = (stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2))
        theirs = stack.enter_context(servers.mlflow_server(theirs_folder))
        here = Mainspan(asked.binary, here_folder, stack.enter_context(servers.mainspan_server(asked.binary, here_folder)))
        populate(theirs)
        file = [f"{theirs_folder}/mlflow.db", "--artifacts", f"{theirs_folder}/artifacts"]
        wanted = Reader(theirs, asked.traces).read()
        import_once(check, here, file, "filed", *options)
        check.equal(wanted, Reader(here.project("filed"), asked.traces).read(), "filed")
        refusals(check, here, here_folder)
        fresh = stack.enter_context(tempfile.TemporaryDirectory())
        other = Mainspan(asked.binary, fresh, stack.enter_context(servers.mainspan_server(asked.binary, fresh)))
        back = stack.enter_context(tempfile.TemporaryDirectory())
        back_url = stack.enter_context(servers.mlflow_server(back))
        exported(check, here, back_url, "filed", wanted, asked.traces, options)
        killed(check, other, [theirs], "served", *options)
        check.equal(wanted, Reader(other.project("served"), asked.traces).read(), "served, killed and resumed")
        changes(check, other, theirs, "served", options)
        reserved(check, other, theirs, "served", options)
        evaluated(check, other, theirs, "served", options)
    on_postgres(check, asked.binary, asked.traces, options)
    print(f"{check.failed} did not hold" if check.failed else "all holds")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
