//! Killing at random: server, gateway, shim or replica, in every phase of the story, while a client goes on asking.
//!
//! The order of kills is drawn from a seed (`MAINSPAN_CRASH_SEED`, printed); `MAINSPAN_CRASH_ROUNDS` makes it longer.
//! After each round: nothing that was acknowledged is lost, no finished step ran twice, the run and the roll-out came
//! to their end, and requests were answered throughout, but for those that a killed gateway held in its hands.

use crate::{traffic::Client, world::World};
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use testkit::{product::kill, until, until_or};

const ROLES: [&str; 4] = ["server", "gateway", "shim", "replica"];
const PHASES: [&str; 7] = [
    "prepare",
    "step running",
    "registering",
    "replica starting",
    "canary stage",
    "promoting",
    "after",
];
/// Every role in every phase twice: 56 kills.
const ROUNDS: usize = 2;

const FILE: &str = r#"mainspan: 1
project: tiny
environments: [prod]
datasets:
  rows: { source: data/rows.csv, format: csv }
pipelines:
  train:
    triggers: { push: [main] }
    steps:
      split: { run: 'sh mark.sh split-$(cat number); cp "$MAINSPAN_IN_ROWS" "$MAINSPAN_OUT_PART"', reads: [rows], writes: [part] }
      fit: { run: 'sh mark.sh fit-$(cat number); sleep 0.3; cp model.onnx "$MAINSPAN_OUT_MODEL"', reads: [part], writes: [model] }
      evaluate: { run: 'sh mark.sh evaluate-$(cat number); python3 log.py mae 1', reads: [model], metrics: [mae] }
    register: { model: delay, from: fit.model, gate: evaluate.mae < 10.0 }
services:
  delay:
    model: delay
    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    scale: { min: 2 }
    rollout: { stages: [50%], sticky: request_id, judge: [errors], at_least: 40 requests, keep_previous: 1h }
    monitor: { labels: { join: request_id, within: 1d } }
"#;

/// A small generator (splitmix64): the same seed kills in the same order.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            all.swap(last, other);
        }
    }
}

fn setting(name: &str, fallback: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(fallback)
}

#[test]
fn killing_anything_at_any_moment_loses_nothing() {
    let seed = setting("MAINSPAN_CRASH_SEED", 20_26);
    let rounds = setting("MAINSPAN_CRASH_ROUNDS", ROUNDS as u64) as usize;
    let mut dice = Dice(seed);
    let world = World::applied(FILE);
    let mut story = Story::begin(&world);
    let mut plan: Vec<(usize, usize)> = Vec::new();
    for _ in 0..rounds {
        let mut once: Vec<_> = (0..ROLES.len())
            .flat_map(|role| (0..PHASES.len()).map(move |phase| (role, phase)))
            .collect();
        dice.shuffle(&mut once);
        plan.extend(once);
    }
    let mut table: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    // A round of the story takes one kill for each phase it passes through.
    while !plan.is_empty() {
        let mut kills: BTreeMap<usize, usize> = BTreeMap::new();
        plan.retain(|(role, phase)| {
            let free = !kills.contains_key(phase);
            if free {
                kills.insert(*phase, *role);
            }
            !free
        });
        let missed = story.round(&kills, &mut dice, &mut table);
        plan.extend(missed);
    }
    story.check();
    println!("seed {seed}; kills by role and phase:");
    println!(
        "{:18}{}",
        "",
        ROLES.map(|role| format!("{role:>9}")).concat()
    );
    for (at, phase) in PHASES.iter().enumerate() {
        let cells =
            (0..ROLES.len()).map(|role| format!("{:>9}", table.get(&(role, at)).unwrap_or(&0)));
        println!("{phase:18}{}", cells.collect::<String>());
    }
    let total: u32 = table.values().sum();
    println!(
        "{total} kills, {} versions, {:?}",
        story.number,
        story.client.report()
    );
    assert_eq!(table.len(), ROLES.len() * PHASES.len(), "a cell is empty");
    assert!(total >= 50);
}

/// The project as it goes from commit to commit under fire.
struct Story<'a> {
    world: &'a World,
    client: Client,
    number: u32,
    events: BTreeSet<u64>,
    /// Steps whose shim was killed in this round.
    cut_off: u64,
}

impl<'a> Story<'a> {
    fn begin(world: &'a World) -> Self {
        let mut story = Story {
            world,
            client: Client::new(world.product.data().unwrap()),
            number: 0,
            events: BTreeSet::new(),
            cut_off: 0,
        };
        story.commit();
        world.answers("/delay", 1);
        story.client.start();
        story
    }

    fn commit(&mut self) {
        self.number += 1;
        self.world.project.write("number", self.number.to_string());
        self.world.ship(self.number as f32);
    }

    /// One commit to its promotion, and every second one back again; answers the kills that could not be made.
    fn round(
        &mut self,
        kills: &BTreeMap<usize, usize>,
        dice: &mut Dice,
        table: &mut BTreeMap<(usize, usize), u32>,
    ) -> Vec<(usize, usize)> {
        self.commit();
        let number = self.number;
        let mut missed = Vec::new();
        for phase in 0..PHASES.len() {
            let reached = self.reach(phase);
            let last = phase + 1 == PHASES.len();
            if last {
                self.go_to(number - 1);
            }
            if let Some(role) = kills.get(&phase) {
                let pause = dice.below(30);
                if reached && self.strike(*role, pause) {
                    *table.entry((*role, phase)).or_default() += 1;
                } else {
                    missed.push((*role, phase));
                }
            }
            self.note_events();
        }
        let world = self.world;
        // Going back was acknowledged, so the first word of the server, new or old, must be that.
        let serves = until("the server", || {
            world.deployment("prod")["version"].as_u64()
        });
        assert_eq!(serves, u64::from(number - 1), "a roll-back is lost");
        world.answers("/delay", number - 1);
        self.go_to(number);
        until(&format!("version {number} to serve"), || {
            (world.deployment("prod")["version"] == number).then_some(())
        });
        world.answers("/delay", number);
        self.check_marks();
        missed
    }

    /// Takes production to a version by hand; asks again while the server is away.
    fn go_to(&self, version: u32) {
        let version = version.to_string();
        until("the roll-back to be acknowledged", || {
            let said = self.world.say(&["rollback", "delay", "--to", &version]);
            let done = said.code == 0 || said.stderr.contains("already");
            done.then_some(())
        });
    }

    /// Waits for a phase; false when the story went past it before it was seen.
    fn reach(&self, phase: usize) -> bool {
        let world = self.world;
        let number = self.number;
        let ran = |step: &str| {
            world
                .marks()
                .iter()
                .any(|mark| *mark == format!("{step}-{number}"))
        };
        let state = || {
            world
                .rollout(number)
                .map(|rollout| rollout["state"].as_str().unwrap_or_default().to_owned())
        };
        let over = || world.deployment("prod")["version"] == number;
        let seen = |wanted: &str, past: &[&str]| {
            until(&format!("{wanted} of version {number}"), || match state() {
                Some(now) if now == wanted => Some(true),
                Some(now) if past.contains(&now.as_str()) => Some(false),
                _ => None,
            })
        };
        match phase {
            0 => true,
            1 => {
                until("the step", || ran("fit").then_some(()));
                true
            }
            2 => {
                until("the last step", || ran("evaluate").then_some(()));
                true
            }
            3 => {
                seen("starting", &["running", "promoted"]);
                !over()
            }
            4 => seen("running", &["promoted"]),
            5 => {
                // The moment when enough requests are in: the next look promotes.
                until("enough requests", || {
                    let rollout = world.rollout(number)?;
                    (rollout["state"] != "running" || rollout["evidence"]["last"].is_object())
                        .then_some(())
                });
                true
            }
            _ => {
                until("the promotion", || over().then_some(()));
                true
            }
        }
    }

    /// Whether every version that takes traffic has two replicas at hand: a second blow before the first is mended
    /// leaves nothing to answer with.
    fn is_whole(&self) -> bool {
        let world = self.world;
        let whole = |version: u64| world.ready(version) >= 2;
        let running = world
            .rollout(self.number)
            .is_some_and(|rollout| rollout["state"] == "running");
        world.deployment("prod")["version"]
            .as_u64()
            .is_some_and(whole)
            && (!running || whole(self.number.into()))
    }

    /// Kills one process of a role; false when there is none now.
    fn strike(&mut self, role: usize, pause: u64) -> bool {
        std::thread::park_timeout(Duration::from_millis(pause));
        let world = self.world;
        let role = ROLES[role];
        let mut replica = None;
        let victim = match role {
            "server" | "gateway" => world.product.pid(role).filter(|pid| alive(*pid)),
            other => {
                until("all replicas", || self.is_whole().then_some(()));
                let found = if other == "shim" {
                    self.shim()
                } else {
                    self.replica()
                };
                self.cut_off += u64::from(found.as_ref().is_some_and(|(_, unit)| unit.is_none()));
                found.map(|(pid, unit)| {
                    replica = unit;
                    pid
                })
            }
        };
        let Some(victim) = victim else { return false };
        if role == "gateway" {
            self.client.while_gateway_dies(|| {
                kill(victim);
                until("the gateway's end", || (!alive(victim)).then_some(()));
            });
        } else {
            kill(victim);
        }
        if let Some(unit) = replica {
            // Before that it still counts as whole, and the next blow would be the second at once.
            until("the gateway to miss the replica", || {
                self.is_missed(&unit).then_some(())
            });
        }
        true
    }

    /// Whether the gateway knows that it has lost a replica.
    fn is_missed(&self, unit: &str) -> bool {
        let health = self.world.product.gateway("/health");
        let mut replicas = health["replicas"].as_array().into_iter().flatten();
        !replicas.any(|replica| {
            replica["path"]
                .as_str()
                .is_some_and(|path| path.contains(unit))
                && replica["connections"] != 0
        })
    }

    /// The shim of a step, or of the newest replica with the part of its paths that names it. One that waits for
    /// its next unit has nothing to lose.
    fn shim(&self) -> Option<(u32, Option<String>)> {
        let busy = self.processes("unit").filter_map(|(pid, _)| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
            let mut open = open.filter_map(|file| std::fs::read_link(file.path()).ok());
            let records = open.find(|path| path.ends_with("unit.json"))?;
            Some((pid, replica_in(&records.to_string_lossy())))
        });
        busy.max_by_key(|(pid, replica)| (replica.is_none(), *pid))
    }

    /// The newest replica, and the part of its paths that names it.
    fn replica(&self) -> Option<(u32, Option<String>)> {
        let (pid, words) = self.processes("engine").last()?;
        Some((pid, words.iter().find_map(|word| replica_in(word))))
    }

    fn processes(&self, role: &str) -> impl Iterator<Item = (u32, Vec<String>)> {
        let all = self.world.product.processes().into_iter();
        all.filter(move |(_, words)| words.get(1).is_some_and(|first| first == role))
    }

    /// Every event that was ever shown stays.
    fn note_events(&mut self) {
        let shown = self.world.product.read("projects/tiny/events?limit=1000");
        self.events.extend(
            shown
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|event| event["seq"].as_u64()),
        );
    }

    /// Finished steps were not run again: only a step whose shim was killed has run more than once, and none of this
    /// used up its retries.
    fn check_marks(&mut self) {
        let marks = self.world.marks();
        let runs = self.world.product.read("projects/tiny/runs?limit=1");
        let id = runs[0]["id"].as_str().unwrap();
        let run = self.world.product.read(&format!("projects/tiny/runs/{id}"));
        let mut executed = 0;
        for step in ["split", "fit", "evaluate"] {
            let mark = format!("{step}-{}", self.number);
            let times = marks.iter().filter(|known| **known == mark).count() as u64;
            let record = self.world.step(&run, step);
            assert!(times >= 1, "{step} did not run: {record}");
            assert_eq!(record["attempt"], 1, "{record}");
            executed += times;
        }
        let allowed = 3 + std::mem::take(&mut self.cut_off);
        assert!(
            executed <= allowed,
            "{executed} steps ran, {allowed} may have: {run}"
        );
    }

    fn check(&mut self) {
        let world = self.world;
        self.client.stop();
        let (report, failures) = self.client.report();
        assert_eq!(
            (report.wrong, report.failed),
            (0, 0),
            "{report:?}: {failures:?}"
        );
        assert!(report.answered > 500, "{report:?}");
        assert!(
            report.longest_outage < Duration::from_secs(20),
            "{report:?}"
        );
        // Versions are dense, each registered once.
        let model = world.product.read("projects/tiny/models/delay");
        let versions: Vec<u64> = model["versions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|v| v["version"].as_u64())
            .collect();
        let expect: Vec<u64> = (1..=u64::from(self.number)).rev().collect();
        assert_eq!(versions, expect);
        // Events that were shown are there, and the last one about the deployment says what serves.
        let shown = std::mem::take(&mut self.events);
        let there: BTreeSet<u64> = numbers(world, "SELECT seq FROM events")
            .into_iter()
            .collect();
        assert!(
            shown.is_subset(&there),
            "{:?} are lost",
            shown.difference(&there)
        );
        let changed = world
            .product
            .read("projects/tiny/events?kind=deployment.changed&limit=1");
        assert_eq!(
            changed[0]["after"]["version"],
            world.deployment("prod")["version"]
        );
        // Labels that were acknowledged are joined.
        let count = |table: &str| numbers(world, &format!("SELECT COUNT(*) FROM {table}"))[0];
        let said = || {
            let waiting = ["predictions", "labels", "losses"].map(|table| (table, count(table)));
            format!("{} joined labels of {waiting:?}", report.labelled)
        };
        until_or(said, || (count("losses") >= report.labelled).then_some(()));
    }
}

/// The part of a path in a unit's directory that names the replica, if the unit is one.
fn replica_in(path: &str) -> Option<String> {
    let begin = "/units/delay-prod-";
    let from = &path[path.find(begin)?..];
    let end = from[begin.len()..]
        .find('/')
        .map_or(from.len(), |at| at + begin.len());
    Some(format!("{}/", &from[..end]))
}

/// Whether a process runs; one that is dead and not yet waited for has no command line.
fn alive(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// A column of numbers, read beside the server: these tables have no address of their own.
fn numbers(world: &World, query: &str) -> Vec<u64> {
    let path = world.product.state().join("store.db");
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = connection.prepare(query).unwrap();
    let rows = query.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|number| number.unwrap() as u64).collect()
}
