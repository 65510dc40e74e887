//! A running product with a small project in a repository: the stage of most scenarios.

use serde_json::{Value, json};
use std::path::PathBuf;
use testkit::{Product, Repository, Said, onnx, until, until_or};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mainspan");

/// Logs one metric to the step's MLflow run, as an MLflow client would; goes on while the server is away.
const LOG: &str = r#"import json, os, sys, time, urllib.error, urllib.request
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": sys.argv[1], "value": float(sys.argv[2]), "timestamp": int(time.time() * 1000), "step": 0}
head = {"content-type": "application/json", "authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
for attempt in range(200):
    try:
        ask = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(), head)
        urllib.request.urlopen(ask).read()
        break
    except urllib.error.HTTPError as error:
        sys.exit(f"{error}: {error.read()}")
    except OSError:
        time.sleep(0.05)
else:
    sys.exit("the server does not come back")
"#;

/// A project for production alone: a pipeline of one step that takes a model by some commands and logs `mae`, and a
/// service of that name with these further keys.
macro_rules! project {
    ($model:literal, $take:literal, $($keys:literal),+) => {
        concat!(
            "mainspan: 1\nproject: tiny\nenvironments: [prod]\n",
            "pipelines:\n  train:\n    triggers: { push: [main] }\n    steps:\n",
            "      fit: { run: '",
            $take,
            "', writes: [model], metrics: [mae] }\n    register: { model: ",
            $model,
            ", from: fit.model, gate: fit.mae < 10.0 }\nservices:\n  ",
            $model,
            ":\n    model: ",
            $model,
            "\n",
            $($keys),+
        )
    };
}

pub(crate) use project;

/// Such a project whose model is `server.py`, a server of its own with so many replicas.
macro_rules! talk {
    ($scale:literal) => {
        project!(
            "talk",
            r#"mkdir "$MAINSPAN_OUT_MODEL"; cp server.py "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1"#,
            r#"    engine: command
    command: python3 "$MODEL/server.py"
    ready: /
    resources: { cpu: 0.1, memory: 128MiB }
    scale: "#,
            $scale,
            "\n"
        )
    };
}

pub(crate) use talk;

/// A server in Python for a service of its own: what it begins with, and the methods of its handler, which answers with a
/// status and bytes or JSON.
macro_rules! server {
    ($setup:literal, $methods:literal) => {
        concat!(
            "import http.server, json, os, sys, threading, time\n",
            $setup,
            r#"class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words): pass
    def answer(self, status, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
"#,
            $methods,
            "http.server.ThreadingHTTPServer((os.environ[\"HOST\"], int(os.environ[\"PORT\"])), Handler).serve_forever()\n"
        )
    };
}

pub(crate) use server;

/// The usual project: a model that is copied, one figure, a gate on it, staging and production.
pub(crate) const PROJECT: &str = r#"mainspan: 1
project: tiny
environments: [staging, prod]
datasets:
  rows:
    source: data/rows.csv
    format: csv
    checks: [rows >= 3]
pipelines:
  train:
    triggers: { push: [main] }
    steps:
      split: { run: 'sh mark.sh split; cp "$MAINSPAN_IN_ROWS" "$MAINSPAN_OUT_PART"', reads: [rows], writes: [part] }
      fit: { run: 'sh mark.sh fit; cp model.onnx "$MAINSPAN_OUT_MODEL"', reads: [part], writes: [model] }
      evaluate: { run: 'sh mark.sh evaluate; python3 log.py mae "$(cat mae)"', reads: [model], metrics: [mae] }
    register: { model: delay, from: fit.model, gate: evaluate.mae < 10.0 }
services:
  delay:
    model: delay
    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    rollout: { stages: [], sticky: request_id }
"#;

/// A product, a repository, and where steps leave their marks.
pub(crate) struct World {
    pub(crate) product: Product,
    pub(crate) project: Repository,
}

impl World {
    /// Everything is running and committed; nothing is applied.
    pub(crate) fn new(file: &str) -> Self {
        let product = Product::up(BINARY);
        Self::on(product, file)
    }

    /// The same on a product that is there.
    pub(crate) fn on(product: Product, file: &str) -> Self {
        let project = Repository::new(&product.folder().join("p"));
        let world = World { product, project };
        world.project.write("mainspan.yaml", file);
        world.project.write("log.py", LOG);
        let marks = world.marks_file();
        let mark = format!("echo \"$1\" >> '{}'\n", marks.display());
        world.project.write("mark.sh", mark);
        world.project.write("data/rows.csv", "a,b\n1,2\n3,4\n5,6\n");
        world.project.write("mae", "5.0");
        world.project.write("model.onnx", onnx::adding(1.0));
        world.project.commit("Begin");
        world
    }

    /// The same, applied.
    pub(crate) fn applied(file: &str) -> Self {
        let world = Self::new(file);
        world.apply();
        world
    }

    /// A project of [`talk`], applied and committed. `MARK` in the server stands for a path where nothing is.
    pub(crate) fn talking(file: &str, server: &str) -> Self {
        let world = Self::new(file);
        let mark = world.product.folder().join("first");
        let server = server.replace("MARK", &mark.display().to_string());
        world.project.write("server.py", server);
        world.apply();
        world.project.commit("First");
        world
    }

    pub(crate) fn apply(&self) {
        self.say(&["apply", "--yes", "-o", "json"]).json();
    }

    /// Where steps note that they ran, outside of their units.
    pub(crate) fn marks_file(&self) -> PathBuf {
        self.product.folder().join("marks")
    }

    /// What ran, in order.
    pub(crate) fn marks(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.marks_file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A command line in the project's folder.
    pub(crate) fn say(&self, words: &[&str]) -> Said {
        self.product.run(self.project.folder(), words)
    }

    /// Commits another model; its answer is `dep_delay + constant`.
    pub(crate) fn ship(&self, constant: f32) -> String {
        self.project.write("model.onnx", onnx::adding(constant));
        self.project.commit(&format!("Add {constant}"))
    }

    /// Runs a pipeline to its end and answers the run.
    pub(crate) fn run(&self, pipeline: &str, more: &[&str]) -> Value {
        let words = [&["run", pipeline, "--detach", "-o", "json"], more].concat();
        let id = self.say(&words).json()["id"].as_str().unwrap().to_owned();
        self.ended(&id)
    }

    /// Waits for a run's end.
    pub(crate) fn ended(&self, id: &str) -> Value {
        until(&format!("the end of run {id}"), || {
            let run = self.product.read(&format!("projects/tiny/runs/{id}"));
            let state = run["state"].as_str()?;
            matches!(state, "succeeded" | "failed" | "cancelled").then(|| run.clone())
        })
    }

    /// The run of a commit, waited for to its end.
    pub(crate) fn run_of(&self, commit: &str) -> Value {
        let id = until(&format!("a run of {commit}"), || {
            let runs = self.product.read("projects/tiny/runs?limit=50");
            let found = runs
                .as_array()?
                .iter()
                .find(|run| run["commit"] == commit)?;
            Some(found["id"].as_str()?.to_owned())
        });
        self.ended(&id)
    }

    /// Waits until a version answers in the place.
    pub(crate) fn answers(&self, path: &str, version: u32) -> f64 {
        let row = json!({ "request_id": "r", "dep_delay": 1.0 });
        until(&format!("an answer of version {version} at {path}"), || {
            let answer = self.product.predict(path, &row).ok()?;
            (answer.status == 200 && answer.version == Some(version))
                .then(|| answer.json()["prediction"].as_f64().unwrap())
        })
    }

    /// The engine processes that a word of their command line marks: pid and words.
    pub(crate) fn engines(&self, mark: &str) -> Vec<(u32, Vec<String>)> {
        let mut all = self.product.processes();
        all.retain(|(_, words)| {
            words.get(1).is_some_and(|word| word == "engine")
                && words.iter().any(|word| word.contains(mark))
        });
        all
    }

    /// How many replicas of a version are connected on every thread of the gateway.
    pub(crate) fn ready(&self, version: u64) -> usize {
        let health = self.product.gateway("/health");
        let threads = health["threads"].as_u64().unwrap_or(u64::MAX);
        let mark = format!("-v{version}-");
        let replicas = health["replicas"].as_array().into_iter().flatten();
        let ready = replicas.filter(|replica| {
            let of_it = |path: &str| path.contains(&mark);
            replica["path"].as_str().is_some_and(of_it)
                && replica["connections"].as_u64() >= Some(threads)
        });
        ready.count()
    }

    /// The deployment in an environment.
    pub(crate) fn deployment(&self, environment: &str) -> Value {
        let status = self.product.read("projects/tiny/status");
        let all = status["deployments"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        all.into_iter()
            .find(|d| d["environment"] == environment)
            .unwrap_or_default()
    }

    /// Waits until a roll-out of a version in production is over; answers it.
    pub(crate) fn rolled_out(&self, version: u32) -> Value {
        let stands = || {
            let stands = self.rollout(version).unwrap_or_default();
            format!("the end of version {version}'s roll-out: {stands}")
        };
        until_or(stands, || {
            self.rollout(version)
                .filter(|rollout| !rollout["ended_at"].is_null())
        })
    }

    /// The newest roll-out of a version in production.
    pub(crate) fn rollout(&self, version: u32) -> Option<Value> {
        let all = self.product.read("projects/tiny/rollouts?limit=100");
        let mut all = all.as_array()?.iter();
        all.find(|r| r["to"] == version && r["environment"] == "prod")
            .cloned()
    }

    /// A step of a run.
    pub(crate) fn step<'a>(&self, run: &'a Value, key: &str) -> &'a Value {
        let mut steps = run["steps"].as_array().unwrap().iter();
        steps
            .find(|step| step["key"] == key)
            .unwrap_or_else(|| panic!("no step {key} in {run}"))
    }
}
