//! Units outlive the driver, and a killed shim takes its unit with it.

use std::time::Duration;

use platform::{Ending, Platform, Reason, State};

use crate::bench::{Bench, is_alive, poll_until, shell, signal};

#[tokio::test]
async fn a_new_driver_takes_up_what_runs_and_sees_it_end() {
    let mut bench = Bench::new().await;
    let mut spec = shell(
        "long",
        "until [ -e ${UNIT_DIR}/go ]; do sleep 0.01; done; exit 4",
    );
    spec.labels.insert("run".into(), "r1".into());
    bench.start(&spec).await;
    let pid = bench.pid("long").await;
    bench.reopen().await;
    assert_eq!(bench.pid("long").await, pid);
    assert_eq!(bench.local.list().await.unwrap()[0].labels["run"], "r1");
    std::fs::write(bench.dir.path().join("long/go"), "").unwrap();
    assert_eq!(bench.exit("long").await.ending, Ending::Code(4));
}

#[tokio::test]
async fn what_ended_while_nobody_looked_is_known_afterwards() {
    let mut bench = Bench::new().await;
    bench
        .start(&shell(
            "quick",
            "echo ready; until [ -e ${UNIT_DIR}/go ]; do sleep 0.01; done",
        ))
        .await;
    bench.said("quick", "ready").await;
    let shim = bench.shim("quick");
    bench.shutdown.cancel();
    bench.local.closed().await;
    std::fs::write(bench.dir.path().join("quick/go"), "").unwrap();
    poll_until(async || (!is_alive(shim)).then_some(()))
        .await
        .unwrap();
    bench.reopen().await;
    assert!(bench.exit("quick").await.is_success());
}

#[tokio::test]
async fn a_killed_shim_is_lost_and_leaves_nothing() {
    let mut bench = Bench::new().await;
    for reopen in [false, true] {
        let id = format!("cut-{reopen}");
        bench
            .start(&shell(&id, "sleep 1000 & echo pid $!; wait"))
            .await;
        let child: i32 = bench.said(&id, "pid ").await.parse().unwrap();
        let pid = i32::try_from(bench.pid(&id).await).unwrap();
        if reopen {
            bench.shutdown.cancel();
            bench.local.closed().await;
        }
        signal(bench.shim(&id), rustix::process::Signal::KILL);
        if reopen {
            bench.reopen().await;
        }
        bench
            .until(&id, |state| matches!(state, State::Lost { .. }))
            .await;
        assert!(!is_alive(pid) && !is_alive(child));
        bench.reopen().await;
        bench
            .until(&id, |state| matches!(state, State::Lost { .. }))
            .await;
    }
}

#[tokio::test]
async fn a_unit_can_be_stopped_by_another_driver_than_started_it() {
    let mut bench = Bench::new().await;
    bench.start(&shell("handed-on", "sleep 1000")).await;
    bench.pid("handed-on").await;
    bench.reopen().await;
    bench
        .local
        .stop("handed-on", Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(bench.exit("handed-on").await.reason, Reason::Stopped);
}

#[tokio::test]
async fn an_accepted_unit_is_begun_and_half_a_unit_is_cleared_away() {
    let mut bench = Bench::new().await;
    bench.run(&shell("done", "exit 6")).await;
    bench.shutdown.cancel();
    bench.local.closed().await;
    // As a crash would leave it: between the directory's name and the shim, and before the name.
    for name in ["accepted", ".new-half"] {
        bench.accept(name, "done", "accepted");
    }
    // And as a power cut would: with a file of which only the size is known, or none.
    for name in ["blank", "bare"] {
        std::fs::create_dir_all(bench.dir.path().join(name).join("work")).unwrap();
    }
    std::fs::write(bench.dir.path().join("blank/unit.json"), [0; 1500]).unwrap();
    bench.reopen().await;
    assert_eq!(bench.exit("accepted").await.ending, Ending::Code(6));
    assert!(!bench.dir.path().join(".new-half").exists());
    for name in ["blank", "bare"] {
        assert!(bench.run(&shell(name, "true")).await.is_success());
    }
}

#[tokio::test]
async fn a_unit_survives_the_signals_of_a_terminal() {
    let bench = Bench::new().await;
    bench
        .start(&shell(
            "apart",
            "cut -d' ' -f6 /proc/self/stat | sed 's/^/sid /'; sleep 1000",
        ))
        .await;
    let session: i32 = bench.said("apart", "sid ").await.parse().unwrap();
    assert_eq!(session, bench.shim("apart"));
    bench
        .local
        .stop("apart", Some(Duration::ZERO))
        .await
        .unwrap();
    bench.exit("apart").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_its_shim_is_killed_a_unit_runs_at_most_once_and_leaves_nothing() {
    let bench = Bench::new().await;
    for round in 0..30_u32 {
        let id = format!("cut-{round}");
        if round % 2 == 1 {
            // Then its shim is there already.
            let before = bench.run(&shell(&format!("before-{round}"), "true")).await;
            assert!(before.is_success());
        }
        let mut spec = shell(&id, "echo x >> ../count; sleep 1000 & sleep 1000");
        spec.limits.memory = Some(64 << 20);
        spec.limits.pids = Some(50);
        bench.start(&spec).await;
        // As early as it can be known, and a little later every time.
        let shim = poll_until(async || bench.early_shim(&id)).await.unwrap();
        std::hint::black_box(
            (0..round * 20_000).fold(0, |sum: u32, spin| std::hint::black_box(sum ^ spin)),
        );
        signal(shim, rustix::process::Signal::KILL);
        bench
            .until(&id, |state| matches!(state, State::Lost { .. }))
            .await;
        let unit = std::fs::canonicalize(bench.dir.path()).unwrap().join(&id);
        let count = std::fs::read_to_string(unit.join("count")).unwrap_or_default();
        assert!(count.len() <= 2, "{count}");
        let left: Vec<_> = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|entry| entry.path().join("cwd"))
            .collect();
        let left = left
            .iter()
            .filter(|cwd| std::fs::read_link(cwd).is_ok_and(|cwd| cwd.starts_with(&unit)));
        assert_eq!(left.count(), 0, "{id}");
    }
}
