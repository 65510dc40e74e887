//! How units end, what they see, and what they leave behind.

use std::time::Duration;

use platform::{
    Ending, Error, Found, Input, LogLimits, Output, Platform, Reason, Staging, State, UNIT_DIR,
    UnitSpec,
};

use crate::bench::{Bench, is_alive, shell};

#[tokio::test]
async fn every_ending_is_told_apart() {
    let bench = Bench::new().await;
    let cases = [
        ("well", "true", Ending::Code(0), Reason::Completed, ""),
        (
            "badly",
            "exit 3",
            Ending::Code(3),
            Reason::Completed,
            "code 3",
        ),
        (
            "signal",
            "kill -SEGV $$",
            Ending::Signal(11),
            Reason::Completed,
            "signal 11",
        ),
    ];
    for (id, script, ending, reason, mention) in cases {
        let exit = bench.run(&shell(id, script)).await;
        assert_eq!((exit.ending, exit.reason), (ending, reason), "{id}");
        assert!(exit.message.contains(mention), "{id}: {}", exit.message);
        assert_eq!(exit.is_success(), id == "well");
    }
}

#[tokio::test]
async fn a_program_that_cannot_run_is_explained() {
    let bench = Bench::new().await;
    let file = bench.dir.path().join("text");
    std::fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (id, program, mention) in [
        (
            "name",
            "no-such-program",
            "`no-such-program` was not found in PATH=",
        ),
        ("path", "./missing.sh", "missing.sh cannot be run"),
        (
            "interpreter",
            file.to_str().unwrap(),
            "interpreter in its first line",
        ),
    ] {
        let exit = bench
            .run(&UnitSpec::new(id, "flights", vec![program.into()]))
            .await;
        assert_eq!(
            (exit.ending, exit.reason),
            (Ending::NotStarted, Reason::NotStarted),
            "{id}"
        );
        assert!(exit.message.contains(mention), "{}", exit.message);
    }
}

#[tokio::test]
async fn the_environment_is_exactly_what_the_spec_says() {
    let bench = Bench::new().await;
    let mut spec = UnitSpec::new("env", "flights", vec!["/usr/bin/env".into()]);
    spec.env = [("A", "1"), ("DIR", "${UNIT_DIR}/x")]
        .map(|(key, value)| (key.into(), value.into()))
        .into();
    bench.run(&spec).await;
    let dir = std::fs::canonicalize(bench.dir.path())
        .unwrap()
        .join("env/x");
    let expect = format!("A=1\nCUDA_VISIBLE_DEVICES=\nDIR={}\n", dir.display());
    let log = bench.log("env").await;
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expect.lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn inputs_come_in_and_outputs_are_found() {
    let bench = Bench::new().await;
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("data"), "12345").unwrap();
    let mut spec = shell(
        "files",
        &format!("cat in/data > {UNIT_DIR}/out/copy; cat in/data >> {UNIT_DIR}/out/copy"),
    );
    spec.inputs = vec![Input {
        name: "data".into(),
        source: source.path().into(),
        target: "work/in".into(),
        staging: Staging::Copy,
    }];
    let output = |name: &str, required| Output {
        name: name.into(),
        path: format!("out/{name}").into(),
        required,
    };
    spec.outputs = vec![output("copy", true), output("other", false)];
    let exit = bench.run(&spec).await;
    assert_eq!(exit.reason, Reason::Completed, "{}", exit.message);
    let found: Vec<Option<Found>> = exit.outputs.iter().map(|output| output.found).collect();
    assert_eq!(
        found,
        [
            Some(Found {
                bytes: 10,
                files: 1
            }),
            None
        ]
    );
    assert_eq!(std::fs::read(&exit.outputs[0].path).unwrap(), b"1234512345");

    spec.id = "missing".into();
    spec.outputs = vec![output("other", true)];
    let exit = bench.run(&spec).await;
    assert_eq!(
        (exit.reason, exit.ending),
        (Reason::MissingOutput, Ending::Code(0))
    );
    assert!(exit.message.contains("`other`"), "{}", exit.message);
}

#[tokio::test]
async fn a_gigabyte_of_output_keeps_only_its_end() {
    let bench = Bench::new().await;
    let mut spec = shell(
        "loud",
        "head -c 200000000 /dev/zero | tr '\\0' x; echo the end",
    );
    spec.log = LogLimits {
        max_bytes: 100_000,
        keep: 2,
    };
    bench.run(&spec).await;
    let log = bench.log("loud").await;
    assert!(
        log.len() <= 300_000 && log.ends_with("xthe end\n"),
        "{} bytes",
        log.len()
    );
    let chunk = bench.local.logs("loud", 0).await.unwrap();
    assert!(
        chunk.ended && chunk.offset >= 200_000_000 - 300_000,
        "{}",
        chunk.offset
    );
}

#[tokio::test]
async fn a_timeout_takes_grandchildren_with_it() {
    let bench = Bench::new().await;
    // The grandchild has a session of its own and does not listen.
    let script = "setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 1000; done' & trap '' TERM; wait; wait";
    let mut spec = shell("slow", script);
    spec.limits.time = Some(Duration::from_millis(300));
    spec.grace = Duration::from_millis(50);
    bench.start(&spec).await;
    let grandchild: i32 = bench.said("slow", "pid ").await.parse().unwrap();
    let exit = bench.exit("slow").await;
    assert_eq!(
        (exit.reason, exit.ending),
        (Reason::Timeout, Ending::Signal(9))
    );
    assert!(!is_alive(grandchild));
}

#[tokio::test]
async fn what_a_process_leaves_running_is_ended_with_it() {
    let bench = Bench::new().await;
    let exit = bench
        .run(&shell("parent", "setsid sleep 1000 & echo pid $!; exit 0"))
        .await;
    assert_eq!(exit.reason, Reason::Completed);
    let child: i32 = bench.said("parent", "pid ").await.parse().unwrap();
    assert!(!is_alive(child));
}

#[tokio::test]
async fn a_stop_gives_the_process_time_to_end_well() {
    let bench = Bench::new().await;
    bench
        .start(&shell(
            "polite",
            "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
        ))
        .await;
    bench.said("polite", "ready").await;
    bench.local.stop("polite", None).await.unwrap();
    let exit = bench.exit("polite").await;
    assert_eq!(
        (exit.reason, exit.ending),
        (Reason::Stopped, Ending::Code(7))
    );
    assert!(bench.log("polite").await.contains("bye"));
    bench.local.stop("polite", None).await.unwrap();
    assert!(matches!(
        bench.local.stop("nobody", None).await,
        Err(Error::Unknown(_))
    ));
}

#[tokio::test]
async fn a_stop_kills_what_does_not_listen_and_a_shorter_grace_wins() {
    let bench = Bench::new().await;
    bench
        .start(&shell(
            "stubborn",
            "trap '' TERM; echo ready; while :; do sleep 1000; done",
        ))
        .await;
    bench.said("stubborn", "ready").await;
    bench
        .local
        .stop("stubborn", Some(Duration::from_secs(3600)))
        .await
        .unwrap();
    bench
        .local
        .stop("stubborn", Some(Duration::ZERO))
        .await
        .unwrap();
    let exit = bench.exit("stubborn").await;
    assert_eq!(
        (exit.reason, exit.ending),
        (Reason::Stopped, Ending::Signal(9))
    );
}

#[tokio::test]
async fn one_id_is_one_unit() {
    let bench = Bench::new().await;
    let spec = shell("once", "echo x >> ${UNIT_DIR}/../count");
    let (first, second) = tokio::join!(
        bench.local.start(spec.clone()),
        bench.local.start(spec.clone())
    );
    assert_eq!(first.unwrap().id, second.unwrap().id);
    bench.exit("once").await;
    let again = bench.start(&spec).await;
    assert!(again.state.is_over());
    assert_eq!(
        std::fs::read_to_string(bench.dir.path().join("count")).unwrap(),
        "x\n"
    );
    assert_eq!(bench.local.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_unit_is_removed_only_when_it_is_over() {
    let bench = Bench::new().await;
    bench.start(&shell("gone", "sleep 1000")).await;
    assert!(matches!(
        bench.local.remove("gone").await,
        Err(Error::StillRunning(_))
    ));
    bench
        .local
        .stop("gone", Some(Duration::ZERO))
        .await
        .unwrap();
    bench.until("gone", State::is_over).await;
    bench.local.remove("gone").await.unwrap();
    bench.local.remove("gone").await.unwrap();
    assert!(bench.local.list().await.unwrap().is_empty());
    assert_eq!(files_below(bench.dir.path()), [] as [std::path::PathBuf; 0]);
}

/// Every file below a directory, whatever its name.
fn files_below(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let below = entries.flat_map(|entry| {
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path())
        } else {
            vec![entry.path()]
        }
    });
    below.collect()
}

#[tokio::test]
async fn output_is_kept_when_a_unit_is_put_away_and_its_directory_serves_again() {
    let mut bench = Bench::new().await;
    let logs = tempfile::tempdir().unwrap();
    let look = "all=$(find ${UNIT_DIR} -mindepth 1 | sort); echo \"$all\" > found; echo the output; echo x > $TMPDIR/x";
    let mut found = Vec::new();
    for id in ["one", "two"] {
        let log = logs.path().join(id);
        let mut spec = shell(id, look);
        spec.env.insert("TMPDIR".into(), "${UNIT_DIR}/tmp".into());
        bench.start(&spec).await;
        assert!(bench.exit(id).await.is_success());
        let seen = std::fs::read_to_string(bench.dir.path().join(id).join("work/found")).unwrap();
        found.push(seen.replace(id, "ID"));
        bench.local.put_away(id, &log).await.unwrap();
        bench.local.put_away(id, &log).await.unwrap();
        assert_eq!(std::fs::read_to_string(log).unwrap(), "the output\n");
        assert!(!bench.dir.path().join(id).exists());
    }
    assert_eq!(found[0], found[1]);
    // The same ids again: in the end `one` gets the directory of `two`, and its own is kept meanwhile.
    for ids in [&["one", "two"][..], &["one"]] {
        for id in ids {
            assert!(bench.run(&shell(id, "true")).await.is_success());
        }
        for id in ids {
            bench.local.remove(id).await.unwrap();
        }
    }
    bench.reopen().await;
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 0);
}
