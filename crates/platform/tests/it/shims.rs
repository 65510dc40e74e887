//! Shims run one unit after another, and nothing of one unit reaches the next.

use platform::{Ending, Platform, Reason};
use rustix::process::Signal;

use crate::bench::{Bench, is_alive, poll_until, shell, signal};

async fn is_gone(pid: i32) -> bool {
    poll_until(async || (!is_alive(pid)).then_some(()))
        .await
        .is_some()
}

#[tokio::test]
async fn units_one_after_another_have_one_shim_and_their_own_records() {
    let bench = Bench::new().await;
    let busy = bench
        .run(&shell(
            "busy",
            "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo busy; exit 3",
        ))
        .await;
    let calm = bench.run(&shell("calm", "echo calm")).await;
    assert_eq!(bench.shim("busy"), bench.shim("calm"));
    assert_eq!(busy.ending, Ending::Code(3));
    assert!(calm.is_success());
    assert!(calm.cpu_micros < busy.cpu_micros, "{calm:?} {busy:?}");
    assert_eq!(bench.log("calm").await, "calm\n");
}

#[tokio::test]
async fn units_at_the_same_time_have_a_shim_each() {
    let bench = Bench::new().await;
    for id in ["one", "two"] {
        bench
            .start(&shell(id, "until [ -e ../../go ]; do sleep 0.01; done"))
            .await;
        bench.pid(id).await;
    }
    assert_ne!(bench.shim("one"), bench.shim("two"));
    std::fs::write(bench.dir.path().join("go"), "").unwrap();
    for id in ["one", "two"] {
        assert!(bench.exit(id).await.is_success());
    }
}

#[tokio::test]
async fn a_shim_that_died_while_it_waited_is_missed_by_nobody() {
    let bench = Bench::new().await;
    for (round, deadly) in [Signal::KILL, Signal::TERM, Signal::KILL]
        .into_iter()
        .enumerate()
    {
        let (before, after) = (format!("before-{round}"), format!("after-{round}"));
        assert!(bench.run(&shell(&before, "true")).await.is_success());
        let shim = bench.shim(&before);
        signal(shim, deadly);
        if round > 0 {
            assert!(is_gone(shim).await);
        }
        assert!(bench.run(&shell(&after, "true")).await.is_success());
        assert_ne!(bench.shim(&after), shim);
    }
}

#[tokio::test]
async fn shims_that_wait_end_with_the_driver() {
    let mut bench = Bench::new().await;
    bench.run(&shell("done", "true")).await;
    let shim = bench.shim("done");
    assert!(is_alive(shim));
    bench.reopen().await;
    assert!(is_gone(shim).await);
}

#[tokio::test]
async fn a_shim_that_nobody_needs_ends() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        bench.run(&shell("done", "true")).await;
        assert!(is_gone(bench.shim("done")).await);
        bench.local.remove("done").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_comes_late_does_not_meet_the_next_unit() {
    let bench = Bench::new().await;
    for round in 0..60_u32 {
        let (id, next) = (format!("stopped-{round}"), format!("next-{round}"));
        bench.start(&shell(&id, "true")).await;
        // Before it begins, while it runs, and around its end.
        std::hint::black_box(
            (0..round * 40_000).fold(0, |sum: u32, spin| std::hint::black_box(sum ^ spin)),
        );
        let (stopped, exit) = tokio::join!(bench.local.stop(&id, None), bench.exit(&id));
        stopped.unwrap();
        assert!(
            matches!(exit.reason, Reason::Completed | Reason::Stopped),
            "{exit:?}"
        );
        let exit = bench.run(&shell(&next, "true")).await;
        assert!(exit.is_success(), "{round}: {exit:?}");
    }
}
