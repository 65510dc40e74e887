//! Limits that the kernel enforces, and room that the driver keeps.

use platform::{Ending, Error, Platform, Reason};

use crate::bench::{Bench, shell};

/// Whether this host lets us enforce limits; where it does not, `doctor` has to say so.
fn enforced(name: &str) -> bool {
    let finding = platform::doctor()
        .into_iter()
        .find(|finding| finding.name == name)
        .unwrap();
    assert!(
        finding.ok || finding.text.contains("not enforced"),
        "{}",
        finding.text
    );
    finding.ok
}

#[tokio::test]
async fn too_much_memory_is_out_of_memory() {
    if !enforced("memory") {
        return;
    }
    let bench = Bench::new().await;
    let mut spec = shell(
        "greedy",
        "exec python3 -c 'x = b\"1\" * (1 << 29); print(len(x))'",
    );
    spec.limits.memory = Some(64 << 20);
    let exit = bench.run(&spec).await;
    assert_eq!(exit.reason, Reason::OutOfMemory, "{exit:?}");
    assert!(exit.message.contains("64MiB"), "{}", exit.message);

    spec.id = "modest".into();
    spec.limits.memory = Some(800 << 20);
    let exit = bench.run(&spec).await;
    assert!(exit.is_success(), "{exit:?}");
    assert!(
        exit.memory_peak.is_some_and(|peak| peak > 1 << 29),
        "{exit:?}"
    );
}

#[tokio::test]
async fn a_fork_bomb_is_bounded() {
    if !enforced("processes") {
        return;
    }
    let bench = Bench::new().await;
    let bomb = "
import os, sys
for n in range(1000):
    try:
        if os.fork() == 0:
            __import__('time').sleep(1000)
    except OSError as error:
        print('refused after', n, flush=True)
        sys.exit(5)
";
    let mut spec = shell("bomb", &format!("exec python3 -c \"{bomb}\""));
    spec.limits.pids = Some(20);
    let exit = bench.run(&spec).await;
    assert_eq!(
        (exit.ending, exit.reason),
        (Ending::Code(5), Reason::Completed),
        "{}",
        bench.log("bomb").await
    );
    assert_eq!(bench.said("bomb", "refused after ").await, "19");
}

#[tokio::test]
async fn room_is_kept_and_given_back() {
    let bench = Bench::new().await;
    let mut first = shell("first", "sleep 1000");
    first.limits.cpu = Some(3.0);
    first.limits.cpu_enforced = true;
    first.limits.gpu = 1;
    bench.start(&first).await;
    let mut second = shell("second", "echo gpu $CUDA_VISIBLE_DEVICES");
    second.limits = first.limits.clone();
    assert!(
        matches!(bench.refused(second.clone()).await, Error::NoRoom(reason) if reason.contains("1.00 of 4 CPUs"))
    );
    second.limits.cpu_enforced = false;
    bench.run(&second).await;
    assert_eq!(bench.said("second", "gpu ").await, "1");
    let mut third = shell("third", "true");
    third.limits.memory = Some(2 << 30);
    assert!(matches!(bench.refused(third).await, Error::TooLarge(_)));
    assert_eq!(bench.local.capacity().used.cpu, 3.0);

    bench
        .local
        .stop("first", Some(std::time::Duration::ZERO))
        .await
        .unwrap();
    bench.exit("first").await;
    assert_eq!(bench.local.capacity().used, platform::Claim::default());
}

#[tokio::test]
async fn what_forks_faster_than_it_can_be_killed_is_killed() {
    if !enforced("kill") {
        return;
    }
    let bench = Bench::new().await;
    let bomb = "
import os
print('ready', flush=True)
while True:
    try:
        os.setsid() if os.fork() == 0 else os._exit(0)
    except OSError:
        pass
";
    // The first of them only waits, so that the unit lives; the others run away from any list.
    let mut spec = shell(
        "bomb",
        &format!("for n in 1 2 3; do python3 -c \"{bomb}\" & done; sleep 1000"),
    );
    spec.limits.pids = Some(50);
    bench.start(&spec).await;
    bench.said("bomb", "ready").await;
    bench
        .local
        .stop("bomb", Some(std::time::Duration::ZERO))
        .await
        .unwrap();
    let exit = bench.exit("bomb").await;
    assert_eq!(
        (exit.reason, exit.message.as_str()),
        (Reason::Stopped, "it was stopped")
    );
}
