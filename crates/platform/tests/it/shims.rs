//! Shims run one unit after another, and nothing of one unit reaches the next.

use platform::{Ending, Platform, Reason, State};
use rustix::process::Signal;

use crate::bench::{Bench, is_alive, poll_until, shell, signal};

async fn is_dead(pid: i32) -> bool {
    poll_until(async || (!is_alive(pid)).then_some(()))
        .await
        .is_some()
}

/// Waits until a process is dead and taken in.
async fn is_gone(pid: i32) -> bool {
    let path = format!("/proc/{pid}");
    poll_until(async || (!std::fs::exists(&path).unwrap()).then_some(()))
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
    assert!(
        calm.cpu_micros.unwrap() < busy.cpu_micros.unwrap(),
        "{calm:?} {busy:?}"
    );
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
            assert!(is_dead(shim).await);
        }
        assert!(bench.run(&shell(&after, "true")).await.is_success());
        assert_ne!(bench.shim(&after), shim);
        assert!(is_gone(shim).await);
    }
}

#[tokio::test]
async fn shims_that_wait_end_with_the_driver() {
    let mut bench = Bench::new().await;
    bench.run(&shell("done", "true")).await;
    let shim = bench.shim("done");
    assert!(is_alive(shim));
    bench.reopen().await;
    // Nobody is left who would take it in.
    assert!(is_dead(shim).await);
}

#[tokio::test]
async fn a_shim_that_nobody_needs_ends() {
    let mut bench = Bench::new().await;
    bench.impatient().await;
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
        let (local, stopped) = (bench.local.clone(), id.clone());
        let stopping = tokio::spawn(async move { local.stop(&stopped, None).await });
        let exit = bench.exit(&id).await;
        assert!(
            matches!(exit.reason, Reason::Completed | Reason::Stopped),
            "{exit:?}"
        );
        // While the stop may still be on its way.
        let exit = bench.run(&shell(&next, "true")).await;
        assert!(exit.is_success(), "{round}: {exit:?}");
        stopping.await.unwrap().unwrap();
    }
}

/// Whether another process has a file open.
fn has_open(end: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let others = all.filter(|process| {
        let name = process.file_name().into_string().unwrap_or_default();
        name.parse().is_ok_and(|pid: u32| pid != std::process::id())
    });
    let mut open = others
        .filter_map(|process| std::fs::read_dir(process.path().join("fd")).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|file| std::fs::read_link(file.path()).ok());
    open.any(|path| path.ends_with(end))
}

#[tokio::test]
async fn a_shim_that_another_one_forestalled_leaves_it_the_unit() {
    let mut bench = Bench::new().await;
    bench.run(&shell("done", "true")).await;
    bench.shutdown.cancel();
    bench.local.closed().await;
    // As if an earlier driver's shim were slow: it has the lock and has not said yet who it is.
    bench.accept("slow", "done", "slow");
    let mut slow = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", slow.id())).unwrap();
    let started = stat
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(19)
        .unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(bench.dir.path().join("slow/unit.json"))
        .unwrap();
    file.try_lock().unwrap();
    bench.reopen().await;
    poll_until(async || has_open("slow/unit.json").then_some(()))
        .await
        .expect("another shim that waits for the lock");
    let says = format!(r#"{{"pid":{},"started":{started}}}"#, slow.id());
    std::os::unix::fs::FileExt::write_all_at(&file, says.as_bytes(), 0).unwrap();
    let pid = i32::try_from(slow.id()).unwrap();
    poll_until(async || {
        bench.local.stop("slow", None).await.unwrap();
        (!is_alive(pid)).then_some(())
    })
    .await
    .expect("the stop to reach the shim that has the unit");
    // Its parent is this process, so that the driver may have taken it in already.
    let _ = slow.wait();
    drop(file);
    bench
        .until("slow", |state| matches!(state, State::Lost { .. }))
        .await;
}
