//! Hosts on which not even the shim can do its work.

use platform::{Ending, Error, Platform, Reason};

use crate::bench::{Bench, shell};

#[tokio::test]
async fn a_shim_that_ends_without_a_word_is_a_unit_that_did_not_start() {
    let mut bench = Bench::with_shim("/bin/false").await;
    for _ in 0..2 {
        bench.start(&shell("mute", "true")).await;
        let exit = bench.exit("mute").await;
        assert_eq!(
            (exit.ending, exit.reason),
            (Ending::NotStarted, Reason::NotStarted)
        );
        assert!(
            exit.message.contains("`/bin/false` ended at once"),
            "{}",
            exit.message
        );
        bench.reopen().await;
    }
}

#[tokio::test]
async fn a_shim_that_is_not_there_is_an_error_and_no_unit() {
    let bench = Bench::with_shim("/no/such/shim").await;
    let error = bench.refused(shell("none", "true")).await;
    assert!(
        matches!(&error, Error::Io { action, .. } if action.contains("/no/such/shim")),
        "{error}"
    );
    assert!(bench.local.list().await.unwrap().is_empty());
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 0);
}

/// A file system of its own, a quarter of a megabyte small.
struct Small(std::path::PathBuf);

impl Small {
    /// Nothing where we may not mount.
    fn mount(path: &std::path::Path) -> Option<Self> {
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", path, "tmpfs", flags, c"size=256k").ok()?;
        Some(Self(path.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_full_disk_loses_output_and_never_the_ending() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(dir.path()) else {
        return;
    };
    let mut bench = Bench::in_dir(dir).await;
    let exit = bench
        .run(&shell(
            "full",
            "head -c 10000000 /dev/zero; echo the end; exit 9",
        ))
        .await;
    assert_eq!(
        (exit.ending, exit.reason),
        (Ending::Code(9), Reason::Completed)
    );
    bench.reopen().await;
    assert_eq!(bench.exit("full").await, exit);
    let error = bench.refused(shell("more", "true")).await;
    assert!(
        matches!(&error, Error::Io { action, .. } if action.contains("more")),
        "{error}"
    );
    bench.local.remove("full").await.unwrap();
    assert!(bench.run(&shell("more", "true")).await.is_success());
}
