"""The story: one project's life from its first commit to a rollback, as a user would live it.

Called by __main__.py after prepare.py. It drives the product by its command line, git
commits and HTTP, tells what happens, and keeps what summary.py computes the figures from.
It must never reach into the product: what it waits for, it reads where a user would.
"""

import shutil
import subprocess
import textwrap
import time

from demo import prepare, tiny_onnx
from demo.traffic import Traffic

SERVICE, MODEL, PROJECT = "delay", "delay", "flights"
#: Requests per second while candidates come and go, and while nothing is expected.
STEADY, BRISK = 450, 900
#: A commit waits until the replay has come so far, so that each candidate meets its own weeks.
BETTER_FROM = "2013-04-09"
#: The three bad candidates: which patch, from which day on, and what is wrong with it.
CANDIDATES = [
    ("slow", "2013-04-22", "smooths a table of routes again for every request"),
    ("worse", "2013-05-04", "was trained on hours where requests carry minutes"),
    ("failing", "2013-05-17", "has no answer for flights more than an hour late"),
]
#: Here the weeks begin in which the world moves; an alarm before this day is a false one.
MOVES = "2013-06-10"
LAST_DAY = "2013-08-15"
FLIGHTS = 80_000
ROW = {"request_id": "first", "flown_at": "2013-03-31T23:59:00Z", "carrier": "UA", "origin": "EWR", "dest": "IAH",
       "distance": 1400, "hour": 19, "planned_minutes": 184, "recent_lost": -4.0, "dep_delay": 30}


class Stuck(Exception):
    """Something that the story waits for did not happen."""


class Story:
    """Runs the chapters in order; `facts` is what summary.py reads."""

    def __init__(self, product, narrator, work):
        self.product, self.tell, self.work = product, narrator, work
        self.folder = work / "flights"
        self.traffic = None
        self.facts = {"candidates": {}, "alarms": {}, "evaluations": {}}
        self.known_runs = set()

    def run(self):
        self.tell.start()
        for chapter in (self.plan_and_apply, self.first_version, self.better_version, self.bad_candidates,
                        self.world_moves, self.explain, self.back_and_forth, self.commit_to_answer):
            chapter()
        self.facts["traffic"] = self.traffic.stop()
        self.facts["models"] = self.product.get(PROJECT, f"models/{MODEL}")
        self.facts["rollouts"] = self.product.get(PROJECT, "rollouts?limit=100")
        self.facts["alarms_at_end"] = self.product.get(PROJECT, "alarms")
        self.facts["seconds"] = self.tell.seconds

    # -- 1 ----------------------------------------------------------------------------------

    def plan_and_apply(self):
        tell = self.tell
        tell.chapter("1  A plan before anything changes")
        answer = self.product.up(self.work, *ports())
        tell.say(f"mainspan is up on an empty state directory: {answer['control']} (control), {answer['data']} (answers)")
        shutil.copytree(prepare.ROOT / "examples" / "flights", self.folder)
        prepare.write_history(self.folder / "data" / "flights.csv")
        git(self.folder, "init", "--quiet", "--initial-branch", "main")
        self.commit("Describe the project", "mainspan.yaml", "requirements.in", "requirements.lock", ".gitignore", "README.md")
        tell.command("mainspan plan")
        code, plan = self.product.run(self.folder, "plan", "--detailed-exitcode", allowed=(2,))
        tell.quote(plan, lines=14)
        self.product.run(self.folder, "apply", "--yes")
        code, plan = self.product.run(self.folder, "plan", "--detailed-exitcode")
        tell.good(f"applied; a second plan says: {plan.strip().splitlines()[-1]} (exit code {code})")

    # -- 2 ----------------------------------------------------------------------------------

    def first_version(self):
        tell = self.tell
        tell.chapter("2  A commit becomes a model in production")
        commit = self.commit("Predict arrival delays", ".")
        run = self.follow_run(commit)
        version = self.version_of(run)
        self.facts["first_commit"] = commit
        self.until("version 1 answers in prod", lambda: self.product.ask(f"/{SERVICE}", ROW)[0] == 200, 60)
        status, number, body = self.product.ask(f"/{SERVICE}", ROW)
        tell.good(f"first answer: POST {self.product.data}/{SERVICE} → {body.decode()} from version {number}")
        self.follow_rollout(version["version"])
        self.show_lineage(version)
        tell.chapter("3  Real flights, in the order in which they left, for the rest of the story")
        self.traffic = Traffic(self.product.data, f"/{SERVICE}", self.folder / "data" / "flights.csv",
                               self.work / "traffic.json", self.work / "traffic.log")
        self.traffic.order(rate=STEADY, phase="first")
        tell.say(f"{STEADY} requests a second from 1 April on; no retries; true delays come back when flights land")

    # -- 4 ----------------------------------------------------------------------------------

    def better_version(self):
        self.tell.chapter("4  A better model: same rows, gate, canary, verdict, promotion")
        self.replay_until(BETTER_FROM)
        self.traffic.order(phase="better")
        commit = self.patch("better", self.facts["first_commit"])
        self.facts["better_commit"] = commit
        run = self.follow_run(commit)
        version = self.version_of(run)
        rollout = self.follow_rollout(version["version"])
        if rollout["state"] != "promoted":
            raise Stuck(f"the better version was {rollout['state']}: {rollout['reason']}")

    # -- 5 ----------------------------------------------------------------------------------

    def bad_candidates(self):
        self.tell.chapter("5  Three candidates that pass the gate and are bad all the same")
        for kind, day, flaw in CANDIDATES:
            self.replay_until(day)
            self.traffic.order(phase=kind)
            self.tell.say(f"candidate `{kind}`: {flaw}")
            commit = self.patch(kind, self.facts["better_commit"])
            run = self.follow_run(commit)
            version = self.version_of(run)
            rollout = self.follow_rollout(version["version"])
            self.facts["candidates"][kind] = {"commit": commit, "version": version["version"], "rollout": rollout}
            if rollout["state"] != "rolled_back":
                self.tell.bad(f"candidate `{kind}` ended {rollout['state']}: {rollout['reason']}")
            self.traffic.order(phase="between")

    # -- 6 ----------------------------------------------------------------------------------

    def world_moves(self):
        tell = self.tell
        tell.chapter("6  The world moves; nobody touches anything")
        self.traffic.order(phase="moving", rate=BRISK)
        alarm = self.until("the alarm on live error", self.raised, 150)
        self.traffic.order(rate=STEADY)
        clock = self.facts["alarms"][alarm["id"]]
        tell.bad(f"alarm on {alarm['service']} in {alarm['environment']}, the replay being at {clock[:10]}:")
        tell.quote("\n".join(textwrap.wrap(sentence(alarm), 100)))
        run = self.follow_run(None)
        tell.say(f"  it runs the champion's commit {run['commit'][:8]}, not the last one, on the data as it is now")
        self.facts["alert_run"] = run
        version = self.version_of(run)
        rollout = self.follow_rollout(version["version"])
        self.facts["alert_version"] = version["version"]
        self.facts["alert_rollout"] = rollout
        if self.traffic.status()["sent"] < FLIGHTS:
            self.traffic.order(rate=BRISK)
            self.until(f"{FLIGHTS} flights", lambda: self.traffic.status()["sent"] >= FLIGHTS, 120)

    def raised(self):
        """The first alarm of the service's error, if there is one; notes when each was seen."""
        for alarm in self.product.get(PROJECT, "alarms") or []:
            self.facts["alarms"].setdefault(alarm["id"], self.traffic.status()["clock"])
        for alarm in self.product.get(PROJECT, "alarms") or []:
            if alarm["environment"] == "prod":
                return alarm
        return None

    # -- 7 ----------------------------------------------------------------------------------

    def explain(self):
        self.tell.chapter("7  Everything can be explained")
        self.traffic.order(phase="explaining")
        for words in (["status"], ["models", MODEL], ["events", "--limit", "12"]):
            self.tell.command(f"mainspan {' '.join(words)}")
            self.tell.quote(self.product.run(self.folder, *words)[1])

    # -- 8 ----------------------------------------------------------------------------------

    def back_and_forth(self):
        tell = self.tell
        tell.chapter("8  Back within a second, and forth again")
        self.traffic.order(phase="by hand")
        serving = self.serving()
        back, millis = self.roll_back()
        self.facts["manual_rollback_ms"] = millis
        tell.good(f"`mainspan rollback {SERVICE}`: version {serving} → {back}, {millis:.0f} ms until it answered")
        forth, again = self.roll_back()
        self.facts["manual_forth_ms"] = again
        tell.good(f"and once more: version {back} → {forth}, {again:.0f} ms")
        back, _ = self.roll_back()
        self.product.run(self.folder, "apply", "--yes")
        kept = self.serving()
        self.facts["apply_kept"] = kept == back
        tell.good(f"back to version {back} again; applying the unchanged file after that leaves version {kept} serving")
        self.roll_back()

    def roll_back(self):
        """Rolls back by hand; returns who answers then, and how long until the first such answer."""
        before, connection = self.serving(), self.product.connection()
        begun = time.monotonic()
        self.product.run(self.folder, "rollback", SERVICE, "--reason", "shown in the demo")

        def changed():
            status, version, _ = self.product.ask(f"/{SERVICE}", ROW, connection)
            return version if status == 200 and version != before else None
        version = self.until("the other version's answer", changed, 10, pause=0.002)
        return version, (time.monotonic() - begun) * 1000

    def commit_to_answer(self):
        """A project whose step copies a finished file, with nothing to wait for: the product's own time."""
        tell = self.tell
        tell.chapter("9  From a commit to an answer, when there is nothing to compute")
        folder = self.work / "copy"
        shutil.copytree(prepare.ROOT / "demo" / "copy", folder)
        git(folder, "init", "--quiet", "--initial-branch", "main")
        commit_all(folder, "Begin")
        self.product.run(folder, "apply", "--yes")
        times = []
        connection = self.product.connection()
        for number in range(1, 7):
            (folder / "model.onnx").write_bytes(tiny_onnx.adding(float(number)))
            git(folder, "add", "--all")
            begun = time.monotonic()
            git(folder, "commit", "--quiet", "--message", f"Add {number}")

            def answers():
                status, version, _ = self.product.ask("/shifted", ROW, connection)
                return status == 200 and version == number
            if number == 1:  # nothing to compare the first version with: a person lets it in
                self.until("version 1 of `shifted`", lambda: (self.product.get("copy", "models/shifted") or {}).get("versions"), 60)
                self.product.run(folder, "promote", "shifted", "--version", "1", "--reason", "the first one")
                self.until("its first answer", answers, 60)
                continue
            self.until(f"version {number} of `shifted`", answers, 60, pause=0.005)
            times.append((time.monotonic() - begun) * 1000)
        self.facts["commit_to_answer_all_ms"] = times
        tell.good("`git commit` to the first answer of the new version in prod: "
                  + ", ".join(f"{millis:.0f}" for millis in times) + " ms")

    # -- waiting and watching ----------------------------------------------------------------

    def until(self, what, ready, seconds, pause=0.05):
        """Polls until `ready` returns something true, and returns that."""
        deadline = time.monotonic() + seconds
        while True:
            value = ready()
            if value:
                return value
            if time.monotonic() > deadline:
                raise Stuck(f"waited {seconds} s for {what}")
            self.show_progress(what)
            time.sleep(pause)

    def show_progress(self, what):
        if self.traffic is None:
            return self.tell.progress(f"… {what}")
        now = self.traffic.status()
        if now:
            versions = ", ".join(f"v{name} {version['requests']}" for name, version in sorted(now["versions"].items()))
            self.tell.progress(f"… {what} | {now['clock'][:10]}, {now['sent']} sent, {now['not_ok']} failed | {versions}")

    def replay_until(self, day):
        """Lets the replay come to a day, quickly: nothing is to be judged meanwhile."""
        if self.traffic.status().get("clock", "") < day:
            self.traffic.order(rate=BRISK)
            self.until(f"the replay at {day}", lambda: self.traffic.status().get("clock", "") >= day, 120)
            self.traffic.order(rate=STEADY)

    def follow_run(self, commit):
        """Waits for the run that `commit` (or an alert) started, tells its steps, and returns it."""
        def begun():
            for run in self.product.get(PROJECT, "runs?limit=10"):
                if run["id"] not in self.known_runs and (commit is None or run["commit"] == commit):
                    return run
            return None
        run = self.until("a run", begun, 30)
        self.known_runs.add(run["id"])
        self.tell.say(f"run {run['id']} of `{run['pipeline']}`: {run['reason'] or trigger(run)}")
        told = set()

        def over():
            now = self.product.get(PROJECT, f"runs/{run['id']}")
            for step in now["steps"]:
                if step["state"] in ("succeeded", "failed") and step["key"] not in told:
                    told.add(step["key"])
                    self.tell.say(f"  {step['key']}: {step['state']}{took(step)} {figures(step['metrics'])}"
                                  + (f"; {step['reason']}" if step["reason"] else ""))
            return now if now["state"] in ("succeeded", "failed", "cancelled") else None
        run = self.until(f"run {run['id']}", over, 180, pause=0.1)
        if run["state"] != "succeeded":
            _, logs = self.product.run(self.folder, "logs", run["id"], allowed=(0, 1))
            raise Stuck(f"run {run['id']} {run['state']}: {run['reason']}\n{logs[-3000:]}")
        return run

    def version_of(self, run):
        """The version that a run registered."""
        def registered():
            model = self.product.get(PROJECT, f"models/{MODEL}") or {"versions": []}
            return next((version for version in model["versions"] if version["run_id"] == run["id"]), None)
        version = self.until("the registered version", registered, 20)
        if version["gate_state"] != "passed":
            raise Stuck(f"version {version['version']} did not pass the gate: {version['gate']}")
        self.note_ranges(version, run)
        self.tell.good(f"version {version['version']} of model `{MODEL}` passed the gate: {version['gate'].get('expression', '')}")
        return version

    def follow_rollout(self, version):
        """Tells the stages of a version's way into prod and returns the roll-out when it is over."""
        told = set()

        def over():
            for rollout in self.product.get(PROJECT, "rollouts?limit=10"):
                if rollout["to"] != version or rollout["environment"] != "prod":
                    continue
                key = (rollout["state"], rollout["stage"])
                if key not in told and rollout["state"] == "running":
                    told.add(key)
                    self.tell.say(f"  prod, stage {rollout['stage'] + 1} of {len(rollout['policy'].get('stages', []))}")
                if rollout["state"] in ("promoted", "rolled_back", "aborted", "superseded"):
                    return self.product.get(PROJECT, f"rollouts/{rollout['id']}")
            return None
        rollout = self.until(f"version {version}'s roll-out", over, 120, pause=0.1)
        if rollout["state"] == "promoted":
            self.tell.good(f"version {version} serves prod: {rollout['reason']}")
        elif rollout["state"] == "rolled_back":
            self.tell.good(f"version {version} was rolled back, by no person: {rollout['reason']}")
        return rollout

    def serving(self):
        return self.until("an answer", lambda: self.product.ask(f"/{SERVICE}", ROW)[1], 10)

    def show_lineage(self, version):
        self.tell.command(f"mainspan models {MODEL} --version {version['version']}")
        self.tell.quote(self.product.run(self.folder, "models", MODEL, "--version", str(version["version"]))[1])

    def note_ranges(self, version, run):
        """Tells which flights trained and tested a version, and its champion, as the steps logged it."""
        steps = {step["key"]: step for step in run["steps"]}
        known = self.facts["evaluations"][version["version"]] = {}
        for who, key in (("candidate", "evaluate"), ("champion", "evaluate@champion")):
            step = steps.get(key)
            if step and step["state"] == "succeeded" and step["mlflow_run_id"]:
                known[who] = {**self.product.params(PROJECT, step["mlflow_run_id"]), **step["metrics"]}
        for who, figures in known.items():
            self.tell.say(f"  {who}: MAE {figures['mae']:.3f} on {figures['rows']:.0f} flights of {figures['test_from'][:10]} to "
                          f"{figures['test_to'][:10]}, trained on {figures['trained_from'][:10]} to {figures['trained_to'][:10]}")

    # -- commits -----------------------------------------------------------------------------

    def commit(self, message, *paths):
        git(self.folder, "add", "--all", *paths)
        return self.made(message)

    def patch(self, name, base):
        """Makes the commit that `demo/commits/NAME.patch` describes, on the files of `base`."""
        file = prepare.ROOT / "demo" / "commits" / f"{name}.patch"
        git(self.folder, "checkout", "--quiet", base, "--", ".")
        git(self.folder, "apply", "--index", file)
        return self.made(file.read_text().splitlines()[0])

    def made(self, message):
        git(self.folder, "commit", "--quiet", "--message", message)
        commit = git(self.folder, "rev-parse", "HEAD").strip()
        self.tell.command(f'git commit -m "{message}"    # {commit[:8]}')
        return commit


def git(folder, *words):
    """Runs git as somebody who has no configuration."""
    who = ["-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(["git", *who, *map(str, words)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Stuck(f"git {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def commit_all(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def ports():
    """The usual ports if both are free, else any."""
    import socket
    for port in (7070, 7080):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return 0, 0
    return 7070, 7080


def sentence(alarm):
    evidence = alarm["evidence"]
    return evidence.get("sentence") or str(evidence)


def trigger(run):
    return ", ".join(f"{key} {value}" for key, value in run["trigger"].items()) if isinstance(run["trigger"], dict) else ""


def took(step):
    if not step["started_at"] or not step["ended_at"]:
        return " (cached)" if step["cached_from"] else ""
    from datetime import datetime
    begun, ended = (datetime.fromisoformat(step[key]) for key in ("started_at", "ended_at"))
    return f" in {(ended - begun).total_seconds():.1f} s"


def figures(metrics):
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
