//! Another binary in the place of the one that runs, under constant load from clients that never ask twice.

use crate::{
    traffic::Client,
    world::{BINARY, PROJECT, World},
};
use platform::Program;
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Product, product::kill, until};

/// A binary that can be replaced.
pub(crate) struct Installed {
    folder: TempDir,
    turn: AtomicBool,
}

impl Installed {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["even", "odd"] {
            std::fs::copy(BINARY, folder.path().join(name)).unwrap();
        }
        let installed = Self {
            folder,
            turn: AtomicBool::new(false),
        };
        installed.replace();
        installed
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mainspan")
    }

    /// Puts another binary there, as a package would; answers which.
    pub(crate) fn replace(&self) -> Program {
        let next = match self.turn.fetch_not(SeqCst) {
            false => "even",
            true => "odd",
        };
        self.put(&self.folder.path().join(next))
    }

    fn put(&self, file: &Path) -> Program {
        let new = self.folder.path().join("new");
        std::fs::hard_link(file, &new).unwrap();
        std::fs::rename(new, self.path()).unwrap();
        Program::at(&self.path()).unwrap()
    }
}

/// The usual world with a binary that can be replaced, version 1 serving, and a client that has begun.
pub(crate) fn world(file: &str) -> (Installed, World, Client) {
    let installed = Installed::new();
    let product = Product::up(installed.path().to_str().unwrap());
    let world = World::on(product, file);
    world.apply();
    world.ship(1.0);
    world.answers("/delay", 1);
    let mut client = Client::new(world.product.data().unwrap());
    client.start();
    (installed, world, client)
}

/// The process of a role, if it runs a binary.
fn running(world: &World, role: &str, program: Program) -> Option<u32> {
    let pid = world.product.pid(role)?;
    Program::of(pid)
        .is_ok_and(|runs| runs == program)
        .then_some(pid)
}

pub(crate) fn upgrade(world: &World) {
    let said = world.say(&["upgrade", "-o", "json"]).json();
    assert!(
        said["gateway"].is_u64() && said["server"].is_u64(),
        "{said}"
    );
}

#[test]
fn an_upgrade_fails_no_request() {
    let (installed, world, mut client) = world(PROJECT);
    let address = world.product.data().unwrap();
    for _ in 0..3 {
        let program = installed.replace();
        let before = client.report().0.answered;
        upgrade(&world);
        assert!(running(&world, "gateway", program).is_some());
        assert!(running(&world, "server", program).is_some());
        until("answers of the new gateway", || {
            (client.report().0.answered > before + 50).then_some(())
        });
    }
    assert_eq!(world.product.data().unwrap(), address);
    // Once more changes nothing.
    let before = (world.product.pid("gateway"), world.product.pid("server"));
    upgrade(&world);
    let after = (world.product.pid("gateway"), world.product.pid("server"));
    assert_eq!(before, after);
    client.stop();
    client.assert_no_failure();
    // Nothing is lost or counted twice: what the client got is what the gateways counted, but for `answers`.
    let evidence = world.product.gateway("/evidence");
    let counted = evidence["routes"][0]["versions"][0]["requests"].as_u64();
    assert!(counted > Some(client.report().0.answered), "{evidence}");
    assert_eq!(evidence["routes"][0]["versions"][0]["errors"], 0);
    until("the old gateways to end", || {
        (gateways(&world).len() == 1).then_some(())
    });
}

#[test]
fn a_binary_that_does_not_serve_changes_nothing() {
    let (installed, world, mut client) = world(PROJECT);
    let before = (world.product.pid("gateway"), world.product.pid("server"));
    installed.put(Path::new("/bin/false"));
    let said = world.product.command_of(BINARY).args(["upgrade"]).output();
    let said = said.unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("ended before it served"), "{text}");
    let after = (world.product.pid("gateway"), world.product.pid("server"));
    assert_eq!(before, after);
    let seen = client.report().0.answered;
    until("answers", || {
        (client.report().0.answered > seen + 50).then_some(())
    });
    // The next one serves.
    let program = installed.replace();
    upgrade(&world);
    assert!(running(&world, "gateway", program).is_some());
    client.stop();
    client.assert_no_failure();
}

#[test]
fn a_server_that_is_newer_asks_for_another_gateway() {
    let (installed, world, mut client) = world(PROJECT);
    let program = installed.replace();
    kill(world.product.pid("server").unwrap());
    until("a new server", || running(&world, "server", program));
    until("a new gateway", || running(&world, "gateway", program));
    let report = until("the reconciler's word", || {
        let report = world.product.read("reconcilers")["gateway"].clone();
        (report["asked"] == 1).then_some(report)
    });
    assert!(report["error"].is_null(), "{report}");
    client.stop();
    client.assert_no_failure();
}

#[test]
fn killing_any_of_them_while_it_happens_leaves_a_gateway() {
    let (installed, world, mut client) = world(PROJECT);
    // The old gateway before and after it was told to leave, the new one before and after it serves, the server before and
    // after it was stopped. Where there is no such process at the moment, the round is made once more.
    let mut killed = [0; 3];
    for round in 0.. {
        let (victim, moment) = (round % 3, round / 3 % 4);
        if killed.iter().all(|times| *times >= 3) {
            break;
        }
        assert!(round < 60, "not to be hit: {killed:?}");
        let program = installed.replace();
        let old = world.product.pid("gateway").unwrap();
        let server = world.product.pid("server").unwrap();
        let said = std::thread::scope(|scope| {
            let upgrade = scope.spawn(|| world.say(&["upgrade"]));
            std::thread::park_timeout(Duration::from_millis(60) * moment);
            let found = match victim {
                0 => Some(old),
                1 => until("the new gateway", || {
                    let new = gateways(&world).into_iter().find(|pid| *pid != old);
                    (new.is_some() || upgrade.is_finished()).then_some(new)
                }),
                _ => Some(server),
            };
            if let Some(pid) = found.filter(|pid| Program::of(*pid).is_ok()) {
                killed[victim as usize] += 1;
                client.while_gateway_dies(|| kill(pid));
            }
            upgrade.join().unwrap()
        });
        if said.code != 0 {
            assert!(said.stderr.contains("ended before it served"), "{said:?}");
            upgrade(&world);
        }
        until("the new gateway", || running(&world, "gateway", program));
        let seen = client.report().0.answered;
        until("answers", || {
            (client.report().0.answered > seen + 20).then_some(())
        });
    }
    client.stop();
    client.assert_no_failure();
    let (report, failures) = client.report();
    // Nobody was refused: what was lost was in the hands of a gateway that was killed.
    assert_eq!(report.unready, 0, "{report:?}: {failures:?}");
    let all: u64 = killed.iter().sum();
    assert!(report.apart <= all * 2, "{report:?}, {killed:?} killed");
}

/// The processes of gateways, the oldest first.
fn gateways(world: &World) -> Vec<u32> {
    let all = world.product.processes().into_iter();
    let gateways = all.filter(|(_, words)| words.get(1).is_some_and(|word| word == "gateway"));
    gateways.map(|(pid, _)| pid).collect()
}
