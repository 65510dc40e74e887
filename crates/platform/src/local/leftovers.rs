//! Clears away what a killed shim has left running.
//!
//! The watcher calls [`clear`] for a unit whose shim is dead without an exit record. With a control
//! group everything in it dies. Without one, whatever is still in the shim's session dies: a process
//! that made a session of its own escapes then, and only then.

use std::io;
use std::time::Duration;

use crate::layout::Prepared;
use crate::process::{ProcessId, Stat, kill_until_none, open_all, snapshot};

/// How long processes that were killed may take to die.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns when nothing of the unit is left.
pub(super) fn clear(prepared: &Prepared, shim: ProcessId) -> io::Result<()> {
    let group = &prepared.group;
    group.kill()?;
    group.remove();
    kill_until_none(PATIENCE, || open_all(|| in_session(&snapshot(), shim)))
}

/// The processes of the session that `shim` led, unless its pid leads another session by now.
fn in_session(all: &[Stat], shim: ProcessId) -> Vec<i32> {
    let is_another = all
        .iter()
        .any(|stat| stat.id.pid == shim.pid && stat.id.started != shim.started);
    if is_another {
        return Vec::new();
    }
    let members = all
        .iter()
        .filter(|stat| stat.session == shim.pid && stat.id.started >= shim.started);
    members.map(|stat| stat.id.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, session: i32, started: u64) -> Stat {
        Stat {
            id: ProcessId { pid, started },
            zombie: false,
            parent: 1,
            session,
            children_ticks: 0,
            threads: 1,
            resident_pages: 0,
        }
    }

    #[test]
    fn only_the_session_of_that_shim_is_cleared() {
        let shim = ProcessId {
            pid: 50,
            started: 100,
        };
        let all = [
            process(51, 50, 101),
            process(52, 50, 120),
            process(60, 60, 101),
        ];
        assert_eq!(in_session(&all, shim), [51, 52]);
        let reused = [process(50, 50, 900), process(51, 50, 901)];
        assert_eq!(in_session(&reused, shim), [0; 0]);
    }
}
