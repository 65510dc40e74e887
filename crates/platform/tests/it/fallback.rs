//! The same promises on a host whose control groups cannot be written, as far as they can be kept.

use std::time::Duration;

use platform::{Ending, Reason, State};

use crate::bench::{Bench, is_alive, shell, signal};

#[tokio::test]
async fn a_timeout_finds_every_descendant_through_its_parents() {
    let bench = Bench::without_control_groups().await;
    // A daemon: its parent is gone and it has a session of its own.
    let script =
        "(setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 1000; done' &) ; sleep 1000";
    let mut spec = shell("slow", script);
    spec.limits.time = Some(Duration::from_millis(300));
    spec.grace = Duration::from_millis(50);
    bench.start(&spec).await;
    let daemon: i32 = bench.said("slow", "pid ").await.parse().unwrap();
    let exit = bench.exit("slow").await;
    assert_eq!(exit.reason, Reason::Timeout);
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn memory_is_looked_at_and_its_limit_kept_in_the_end() {
    let bench = Bench::without_control_groups().await;
    let mut spec = shell(
        "greedy",
        "python3 -c 'x = b\"1\" * (1 << 28); __import__(\"time\").sleep(1000)'",
    );
    spec.limits.memory = Some(64 << 20);
    let exit = bench.run(&spec).await;
    assert_eq!(
        (exit.reason, exit.ending),
        (Reason::OutOfMemory, Ending::Signal(9)),
        "{exit:?}"
    );
    assert!(
        exit.memory_peak.is_some_and(|peak| peak > 64 << 20),
        "{exit:?}"
    );
}

#[tokio::test]
async fn a_killed_shim_takes_its_session_with_it() {
    let bench = Bench::without_control_groups().await;
    bench
        .start(&shell("cut", "sleep 1000 & echo pid $!; wait"))
        .await;
    let child: i32 = bench.said("cut", "pid ").await.parse().unwrap();
    let pid = i32::try_from(bench.pid("cut").await).unwrap();
    signal(bench.shim("cut"), rustix::process::Signal::KILL);
    bench
        .until("cut", |state| matches!(state, State::Lost { .. }))
        .await;
    assert!(!is_alive(pid) && !is_alive(child));
}
