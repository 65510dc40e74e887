//! What is remembered between looks, on counts as the gateway gives them.

use super::*;

const SCALE: Scale = Scale {
    min: 0,
    max: 6,
    concurrency: Some(2),
    window: None,
    hold: None,
    wait: None,
};

/// What the gateway counted; the times of the requests together in half seconds.
fn load(version: u32, arrived: u64, present: u64, halves: u64) -> VersionLoad {
    VersionLoad {
        route: "p/e/s".into(),
        version,
        present,
        held: 0,
        arrived,
        micros: halves * 500_000,
    }
}

/// A version whose replicas answer, or not.
fn seen(version: u32, role: Role, replicas: &[bool]) -> Seen {
    let replica = |(number, ready): (u32, &bool)| SeenReplica {
        unit: format!("v{version}-{number}"),
        number,
        ready: *ready,
        good: *ready,
    };
    Seen {
        version,
        role,
        replicas: (0..).zip(replicas).map(replica).collect(),
    }
}

struct World {
    followed: Followed,
    lines: Vec<String>,
}

impl World {
    fn new(running: u32) -> Self {
        World {
            followed: Followed::new(Duration::from_secs(60), running, Duration::ZERO),
            lines: Vec::new(),
        }
    }

    /// Looks once; what is decided is done.
    fn look(&mut self, second: u64, seen: &[Seen], loads: &[VersionLoad]) {
        let loads: Vec<&VersionLoad> = loads.iter().collect();
        let now = Duration::from_secs(second);
        for change in self.followed.look(now, &SCALE, seen, &loads, 1) {
            let Change {
                version,
                before,
                wanted,
            } = change;
            let line = format!(
                "{second} s: v{version} {before} → {}: {}",
                wanted.replicas, wanted.why
            );
            self.lines.push(line);
            self.followed.versions.get_mut(&version).unwrap().wanted = wanted.replicas;
        }
    }

    fn check(&self, expect: &[&str]) {
        assert_eq!(self.lines, expect);
    }
}

#[test]
fn from_nothing_to_one_and_back() {
    let mut world = World::new(0);
    let nobody = [seen(1, Role::Serves, &[])];
    world.look(0, &nobody, &[load(1, 0, 0, 0)]);
    world.look(1, &nobody, &[load(1, 1, 1, 0)]);
    // It starts for three seconds.
    let starting = [seen(1, Role::Serves, &[false])];
    world.look(2, &starting, &[load(1, 1, 1, 2)]);
    let there = [seen(1, Role::Serves, &[true])];
    world.look(5, &there, &[load(1, 1, 0, 8)]);
    assert_eq!(world.followed.start, Duration::from_secs(3));
    for second in 6..200 {
        world.look(second, &there, &[load(1, 1, 0, 8)]);
    }
    world.check(&[
        "1 s: v1 0 → 1: a request waits",
        "108 s: v1 1 → 0: no request for 106 s",
    ]);
}

#[test]
fn what_runs_when_it_begins_to_look_stays_for_a_while() {
    let mut world = World::new(3);
    let there = [seen(1, Role::Serves, &[true; 3])];
    for second in 0..100 {
        world.look(second, &there, &[load(1, 900, 0, 140)]);
    }
    world.check(&[
        "91 s: v1 3 → 1: no request for 91 s, and more of them go in a moment",
        "92 s: v1 1 → 0: no request for 92 s",
    ]);
}

#[test]
fn none_goes_before_those_that_stay_answer() {
    let mut world = World::new(0);
    let first_is_away = [seen(1, Role::Serves, &[false, true])];
    for second in 0..120 {
        world.look(second, &first_is_away, &[load(1, second, 0, second / 2)]);
    }
    world.check(&[]);
    world.look(
        120,
        &[seen(1, Role::Serves, &[true, true])],
        &[load(1, 120, 0, 60)],
    );
    world.check(&["120 s: v1 2 → 1: 0.2 requests at a time over 60 s"]);
}

#[test]
fn one_that_is_left_out_does_not_stay_alone() {
    let mut world = World::new(2);
    let mut both = [seen(1, Role::Serves, &[true, true])];
    both[0].replicas[0].good = false;
    for second in 0..200 {
        world.look(second, &both, &[load(1, second, 0, second / 2)]);
    }
    world.check(&[]);
    both[0].replicas[0].good = true;
    world.look(200, &both, &[load(1, 200, 0, 100)]);
    world.check(&["200 s: v1 2 → 1: 0.2 requests at a time over 60 s"]);
}

#[test]
fn a_candidate_is_ready_for_its_next_share_and_the_old_one_for_all() {
    let mut world = World::new(2);
    let serves = || seen(1, Role::Serves, &[true; 2]);
    // Three requests a second of a second each need two replicas.
    let steady = |second: u64| load(1, 3 * second, 3, 6 * second);
    for second in 0..100 {
        world.look(second, &[serves()], &[steady(second)]);
    }
    world.check(&[]);
    let candidate = |share, there: &[bool]| seen(2, Role::Candidate(share), there);
    world.look(
        100,
        &[serves(), candidate(0.05, &[])],
        &[steady(100), load(2, 0, 0, 0)],
    );
    world.look(
        101,
        &[serves(), candidate(1.0, &[true])],
        &[steady(101), load(2, 0, 0, 0)],
    );
    // It has all the requests now, and the old one stays as it is.
    for second in 102..300 {
        let came = 3 * (second - 101);
        // The last three are halfway.
        let (old, new) = (load(1, 303, 0, 606), load(2, came, 3, 2 * came - 3));
        world.look(second, &[serves(), candidate(1.0, &[true; 2])], &[old, new]);
    }
    world.check(&[
        "100 s: v2 0 → 1: 5% of 3.0 requests at a time over 60 s",
        "101 s: v2 1 → 2: 3.0 requests at a time over 60 s",
    ]);
}

#[test]
fn counts_go_on_when_they_begin_anew() {
    let check = |then: Option<(u32, u64)>, now: (u32, u64), expect: u64| {
        let mut version = Version {
            watched: Watched::new(Duration::from_secs(60), 0, Duration::ZERO),
            counted: None,
            wanted: 0,
        };
        if let Some((gateway, arrived)) = then {
            version.count(&load(1, arrived, 0, arrived), gateway);
        }
        let fresh = version.count(&load(1, now.1, 2, now.1), now.0);
        assert_eq!(fresh.arrived, expect, "{then:?} {now:?}");
    };
    // What went before the first look is not known; those that are here have come.
    check(None, (1, 100), 2);
    check(Some((1, 100)), (1, 130), 30);
    // The version was out of the table.
    check(Some((1, 100)), (1, 40), 40);
    check(Some((1, 100)), (2, 130), 130);
}
