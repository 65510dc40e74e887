//! One attempt of a step as a unit: its files, environment and limits. Pure.

use crate::{graph::Node, tree::Held, work::Work};
use platform::{
    Claim, Input, LogLimits, Output, Staging, StopSignal, UNIT_DIR, UnitSpec,
    spec::{HOME, TEMPORARY},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use store::{Digest, Run, Step};

/// Inputs up to this size are copied, so that a step may do as it likes with them; larger ones are linked.
const COPY_UP_TO: u64 = 256 << 20;
/// Processes and threads of one step.
const PIDS: u32 = 4096;

/// An input as it is staged.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    /// What the step calls it.
    pub name: String,
    /// Extension of the file, with its dot: `.csv.gz`; empty for outputs of steps.
    pub extension: String,
    /// What it is.
    pub digest: Digest,
    /// A file or a folder.
    pub held: Held,
    /// Bytes of a file.
    pub size: u64,
}

/// What a step's code is told about tracking.
#[derive(Clone, Debug)]
pub(super) struct Tracking {
    /// Base address for the client.
    pub uri: String,
    /// Good for this run only.
    pub token: String,
    /// The attempt's MLflow run.
    pub run: String,
    /// Its experiment.
    pub experiment: String,
}

/// Everything an attempt is made of.
pub(super) struct Attempt<'a> {
    pub run: &'a Run,
    pub work: &'a Work,
    pub node: &'a Node,
    pub step: &'a Step,
    pub inputs: &'a [Staged],
    pub tracking: &'a Tracking,
    /// Where a digest's bytes are on this machine.
    pub blob: &'a dyn Fn(&Digest) -> PathBuf,
}

/// The id of an attempt: the same attempt always has the same, so that starting it twice is starting it once. Where
/// several machines take turns, it ends with the one that it is for.
pub(super) fn id(run: &str, step: &Step, machine: Option<&str>) -> String {
    let key = Digest::of(step.key.as_bytes());
    format!(
        "{run}-{}-{}-{}{}",
        &key.hex()[..8],
        step.attempt,
        step.infra_attempts,
        ending(machine)
    )
}

/// Whether a unit is for another machine than this one.
pub(super) fn is_elsewhere(unit: &str, machine: Option<&str>) -> bool {
    machine.is_some() && !unit.ends_with(&ending(machine))
}

fn ending(machine: Option<&str>) -> String {
    machine.map_or_else(String::new, |machine| {
        format!("-{}", &Digest::of(machine.as_bytes()).hex()[..8])
    })
}

/// The MLflow run of an attempt: 32 hex digits, the same for the same attempt.
pub(super) fn mlflow_run(run: &str, step: &Step) -> String {
    Digest::of(
        format!(
            "{run}/{}/{}/{}",
            step.key, step.attempt, step.infra_attempts
        )
        .as_bytes(),
    )
    .hex()[..32]
        .to_owned()
}

/// What a step reserves.
pub(super) fn claim(step: &spec::Step) -> Claim {
    Claim {
        cpu: step.resources.cpu.get(),
        memory: step.resources.memory.bytes(),
        gpus: step.resources.gpu,
    }
}

/// Builds the unit.
pub(super) fn spec(attempt: &Attempt<'_>) -> UnitSpec {
    let Attempt {
        run,
        work,
        node,
        step,
        ..
    } = attempt;
    let declared = &work.pipeline.steps[&node.step];
    let argv = ["/bin/sh", "-e", "-c", &declared.run]
        .map(str::to_owned)
        .to_vec();
    let name = step.unit_id.clone();
    let name = name.unwrap_or_else(|| id(&run.id, step, None));
    let mut unit = UnitSpec::new(name, &run.project, argv);
    unit.labels = BTreeMap::from([
        ("kind".to_owned(), "step".to_owned()),
        ("run".to_owned(), run.id.clone()),
        ("step".to_owned(), step.key.clone()),
    ]);
    unit.env = environment(attempt);
    unit.inputs = files(work, declared.files.as_deref());
    for staged in attempt.inputs {
        unit.inputs.extend(place(staged, attempt.blob));
    }
    unit.outputs = declared
        .writes
        .iter()
        .map(|name| Output {
            name: name.clone(),
            path: Path::new("out").join(name),
            required: true,
        })
        .collect();
    let claim = claim(declared);
    unit.limits.cpu = Some(claim.cpu);
    unit.limits.cpu_enforced = true;
    unit.limits.memory = Some(claim.memory);
    unit.limits.gpu = claim.gpus;
    unit.limits.pids = Some(PIDS);
    unit.limits.time = Some(declared.timeout.get());
    unit.log = LogLimits {
        max_bytes: 8 << 20,
        keep: 1,
    };
    unit.grace = Duration::from_secs(5);
    unit.stop_signal = StopSignal::Term;
    unit
}

fn files(work: &Work, patterns: Option<&[String]>) -> Vec<Input> {
    let Some(checkout) = &work.checkout else {
        return Vec::new();
    };
    let copy = |source: PathBuf, target: PathBuf| Input {
        name: "snapshot".to_owned(),
        source,
        target,
        staging: Staging::Copy,
    };
    match patterns {
        None => vec![copy(checkout.clone(), PathBuf::from("work"))],
        Some(_) => {
            let visible = work.files.visible(patterns);
            visible
                .files()
                .iter()
                .map(|f| copy(checkout.join(&f.path), Path::new("work").join(&f.path)))
                .collect()
        }
    }
}

fn place(staged: &Staged, blob: &dyn Fn(&Digest) -> PathBuf) -> Vec<Input> {
    let input = |digest: &Digest, size: u64, target: PathBuf| Input {
        name: staged.name.clone(),
        source: blob(digest),
        target,
        staging: if size <= COPY_UP_TO {
            Staging::Copy
        } else {
            Staging::Link
        },
    };
    let target = Path::new("in").join(target_name(staged));
    match &staged.held {
        Held::File => vec![input(&staged.digest, staged.size, target)],
        Held::Tree(manifest) => manifest
            .files()
            .iter()
            .map(|f| input(&f.digest, f.size, target.join(&f.path)))
            .collect(),
    }
}

fn target_name(staged: &Staged) -> String {
    format!("{}{}", staged.name, staged.extension)
}

fn environment(attempt: &Attempt<'_>) -> BTreeMap<String, String> {
    let Attempt {
        run,
        work,
        node,
        step,
        inputs,
        tracking,
        ..
    } = attempt;
    let declared = &work.pipeline.steps[&node.step];
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    match &work.toolchain {
        Some((_, path)) => {
            set("PATH", format!("{}:{system}", path.join("bin").display()));
            set("VIRTUAL_ENV", path.display().to_string());
        }
        None => {
            set("PATH", system.to_owned());
        }
    }
    set("HOME", format!("{UNIT_DIR}/{HOME}"));
    set("TMPDIR", format!("{UNIT_DIR}/{TEMPORARY}"));
    // Numeric libraries start a thread for each core and spin, whatever a step may use; this is what it may use.
    let threads = declared.resources.cpu.get().ceil().max(1.0);
    for library in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        set(library, threads.to_string());
    }
    set("LANG", "C.UTF-8".to_owned());
    set("PYTHONUNBUFFERED", "1".to_owned());
    // MLflow imports GitPython when it is there, which complains on stderr where git is not.
    set("GIT_PYTHON_REFRESH", "quiet".to_owned());
    set("MAINSPAN_PROJECT", run.project.clone());
    set("MAINSPAN_RUN", run.id.clone());
    set("MAINSPAN_STEP", step.key.clone());
    if let Some(commit) = &run.commit {
        set("MAINSPAN_COMMIT", commit.clone());
    }
    for staged in *inputs {
        set(
            &format!("MAINSPAN_IN_{}", spec::env_name(&staged.name)),
            format!("{UNIT_DIR}/in/{}", target_name(staged)),
        );
    }
    for output in &declared.writes {
        set(
            &format!("MAINSPAN_OUT_{}", spec::env_name(output)),
            format!("{UNIT_DIR}/out/{output}"),
        );
    }
    for (name, value) in work.params.iter().chain(&node.cell) {
        set(
            &format!("MAINSPAN_PARAM_{}", spec::env_name(name)),
            value.to_string(),
        );
    }
    set("MLFLOW_TRACKING_URI", tracking.uri.clone());
    set("MLFLOW_TRACKING_TOKEN", tracking.token.clone());
    set("MLFLOW_RUN_ID", tracking.run.clone());
    set("MLFLOW_EXPERIMENT_ID", tracking.experiment.clone());
    env
}
