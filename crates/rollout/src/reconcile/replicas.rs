//! Which replica units should run: a pure comparison of what is wanted with what there is.

use platform::{Exit, Reason, State, UnitStatus};
use std::collections::BTreeMap;

/// A version that needs replicas in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Version.
    pub version: u32,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Start the replica of this number for the given time (counting from 0).
    Start {
        /// Where.
        place: Place,
        /// Which of its replicas.
        replica: u32,
        /// How often it was started before.
        restart: u32,
    },
    /// Stop a unit that nothing needs.
    Stop(String),
    /// Forget a unit that is over.
    Remove(String),
}

/// Labels by which replicas are known again.
pub(super) const LABELS: [&str; 6] = [
    "project",
    "environment",
    "service",
    "version",
    "replica",
    "restart",
];

/// A replica that fails again and again is started again after 1, 2, 4 … seconds, up to this many.
pub(super) const LONGEST_PAUSE: i64 = 60;

struct Known<'a> {
    unit: &'a UnitStatus,
    place: Place,
    replica: u32,
    restart: u32,
}

/// Compares; `now` in seconds decides about back-offs.
pub(super) fn moves(wanted: &BTreeMap<Place, u32>, units: &[UnitStatus], now: i64) -> Vec<Move> {
    let known: Vec<Known<'_>> = units.iter().filter_map(read).collect();
    let mut moves = Vec::new();
    for (place, count) in wanted {
        for replica in 0..*count {
            let mine = known
                .iter()
                .filter(|k| k.place == *place && k.replica == replica);
            let newest = mine.max_by_key(|k| k.restart);
            match newest {
                None => moves.push(Move::Start {
                    place: place.clone(),
                    replica,
                    restart: 0,
                }),
                Some(last) if last.unit.state.is_over() && due(last, now) => {
                    moves.push(Move::Start {
                        place: place.clone(),
                        replica,
                        restart: last.restart + 1,
                    });
                }
                Some(_) => {}
            }
        }
    }
    for this in &known {
        let needed = wanted
            .get(&this.place)
            .is_some_and(|count| this.replica < *count);
        let replaced = known.iter().any(|k| {
            k.place == this.place && k.replica == this.replica && k.restart > this.restart
        });
        match (this.unit.state.is_over(), needed && !replaced) {
            (false, false) => moves.push(Move::Stop(this.unit.id.clone())),
            (true, false) => moves.push(Move::Remove(this.unit.id.clone())),
            _ => {}
        }
    }
    moves
}

/// Whether a unit is a replica.
pub(super) fn is_replica(unit: &UnitStatus) -> bool {
    unit.labels
        .get("kind")
        .is_some_and(|kind| kind == "replica")
}

fn read(unit: &UnitStatus) -> Option<Known<'_>> {
    let text = |name: &str| unit.labels.get(name).cloned();
    if !is_replica(unit) {
        return None;
    }
    let place = Place {
        project: text("project")?,
        environment: text("environment")?,
        service: text("service")?,
        version: text("version")?.parse().ok()?,
    };
    Some(Known {
        unit,
        place,
        replica: text("replica")?.parse().ok()?,
        restart: text("restart")?.parse().ok()?,
    })
}

/// The place of a replica unit.
pub(super) fn place_of(unit: &UnitStatus) -> Option<Place> {
    read(unit).map(|known| known.place)
}

/// The place of a replica unit and its number there.
pub(super) fn numbered(unit: &UnitStatus) -> Option<(Place, u32)> {
    read(unit).map(|known| (known.place, known.replica))
}

/// Replicas of a place that are not over, with their numbers.
pub(super) fn running<'a>(
    units: &'a [UnitStatus],
    place: &Place,
) -> impl Iterator<Item = (&'a UnitStatus, u32)> {
    units
        .iter()
        .filter(|unit| !unit.state.is_over())
        .filter_map(move |unit| {
            let (at, number) = numbered(unit)?;
            (at == *place).then_some((unit, number))
        })
}

/// How the newest replica of a number ended, if it has.
pub(super) fn last_end<'a>(
    units: &'a [UnitStatus],
    place: &Place,
    replica: u32,
) -> Option<&'a Exit> {
    let known = units.iter().filter_map(read);
    let mine = known.filter(|known| known.place == *place && known.replica == replica);
    match &mine.max_by_key(|known| known.restart)?.unit.state {
        State::Exited(exit) => Some(exit),
        _ => None,
    }
}

fn due(last: &Known<'_>, now: i64) -> bool {
    let (ended, ran) = match &last.unit.state {
        State::Exited(exit) if exit.reason != Reason::Stopped => (
            exit.at.as_second(),
            exit.at.as_second() - exit.started.as_second(),
        ),
        // Its supervisor was killed, or somebody stopped it: not its fault, so at once.
        _ => return true,
    };
    // One that ran for a while gets its next start at once.
    if ran > LONGEST_PAUSE || last.restart == 0 {
        return true;
    }
    // One that ended in the future saw a clock that was set back since: that must not keep it away.
    now < ended || now >= ended + (1_i64 << last.restart.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use platform::{Ending, Exit};

    fn place(version: u32) -> Place {
        Place {
            project: "p".into(),
            environment: "e".into(),
            service: "s".into(),
            version,
        }
    }

    fn unit(id: &str, version: u32, restart: u32, state: State) -> UnitStatus {
        let labels = [
            ("kind", "replica"),
            ("project", "p"),
            ("environment", "e"),
            ("service", "s"),
            ("replica", "0"),
        ];
        let mut labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        labels.insert("version".into(), version.to_string());
        labels.insert("restart".into(), restart.to_string());
        UnitStatus {
            id: id.into(),
            project: "p".into(),
            labels,
            endpoint: None,
            state,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn exited(from: i64, to: i64) -> State {
        State::Exited(Exit {
            ending: Ending::Code(1),
            reason: Reason::Completed,
            message: String::new(),
            started: at(from),
            at: at(to),
            cpu_micros: None,
            memory_peak: None,
            outputs: vec![],
        })
    }

    fn check(wanted: &[(u32, u32)], units: &[UnitStatus], now: i64, expect: &[&str]) {
        let wanted = wanted
            .iter()
            .map(|(version, count)| (place(*version), *count))
            .collect();
        let got: Vec<String> = moves(&wanted, units, now)
            .iter()
            .map(|m| match m {
                Move::Start {
                    place,
                    replica,
                    restart,
                } => format!("start v{} #{replica} time {restart}", place.version),
                Move::Stop(id) => format!("stop {id}"),
                Move::Remove(id) => format!("remove {id}"),
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn the_newest_of_a_number_says_how_it_ended() {
        let running = State::Running {
            pid: 1,
            since: at(0),
        };
        let mut units = vec![
            unit("a", 1, 1, exited(5, 6)),
            unit("b", 1, 0, exited(0, 4)),
            unit("c", 2, 0, exited(7, 8)),
        ];
        let ended = |units: &[UnitStatus], replica| {
            let exit = last_end(units, &place(1), replica);
            exit.map(|exit| exit.at.as_second())
        };
        assert_eq!((ended(&units, 0), ended(&units, 1)), (Some(6), None));
        units.push(unit("d", 1, 2, running));
        assert_eq!(ended(&units, 0), None);
    }

    #[test]
    fn wanted_and_there() {
        let running = State::Running {
            pid: 1,
            since: at(0),
        };
        check(
            &[(1, 2)],
            &[],
            0,
            &["start v1 #0 time 0", "start v1 #1 time 0"],
        );
        check(&[(1, 1)], &[unit("a", 1, 0, running.clone())], 0, &[]);
        check(&[], &[unit("a", 1, 0, running.clone())], 0, &["stop a"]);
        check(
            &[(2, 1)],
            &[unit("a", 1, 0, exited(0, 1))],
            0,
            &["start v2 #0 time 0", "remove a"],
        );
        check(
            &[(1, 1)],
            &[unit("a", 1, 0, exited(0, 1))],
            1,
            &["start v1 #0 time 1"],
        );
        check(
            &[(1, 1)],
            &[unit("a", 1, 0, exited(0, 1)), unit("b", 1, 1, running)],
            5,
            &["remove a"],
        );
        check(&[(1, 1)], &[unit("b", 1, 3, exited(10, 11))], 18, &[]);
        check(
            &[(1, 1)],
            &[unit("b", 1, 3, exited(10, 11))],
            19,
            &["start v1 #0 time 4"],
        );
        // The clock was set back by an hour.
        check(
            &[(1, 1)],
            &[unit("b", 1, 3, exited(3610, 3611))],
            11,
            &["start v1 #0 time 4"],
        );
        check(
            &[(1, 1)],
            &[unit("b", 1, 3, State::Lost { at: at(11) })],
            11,
            &["start v1 #0 time 4"],
        );
    }
}
