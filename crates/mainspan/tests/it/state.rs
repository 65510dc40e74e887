//! Starting where it cannot: a taken port, a state directory in use or written by a newer version, a full disk.

use crate::world::{BINARY, PROJECT, World};
use rusqlite::Connection;
use std::process::Command;
use testkit::Product;

#[test]
fn a_server_that_cannot_start_says_why() {
    let product = Product::new(BINARY);
    let folder = product.folder().to_owned();
    let check = |words: &[&str], says: &[&str]| {
        let said = product.run(&folder, words);
        assert_eq!(said.code, 1, "{said:?}");
        for part in says {
            assert!(said.stderr.contains(part), "no `{part}` in {said:?}");
        }
    };
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(&["server", "--port", &port], &[&port, "--port"]);
    check(&["gateway", "--data-port", &port], &[&port]);
    check(
        &["server", "--host", "0.0.0.0", "--port", "0"],
        &["0.0.0.0"],
    );
    product.start(&[]);
    check(&["server", "--port", "0"], &["in use"]);
    check(&["up", "--port", "0"], &["mainspan down"]);
    let down = product.run(&folder, &["down"]);
    assert_eq!(down.code, 0, "{down:?}");
    // Written by a version that knows more.
    let store = Connection::open(product.state().join("store.db")).unwrap();
    store
        .execute("INSERT INTO mainspan_schema (version) VALUES (1000)", [])
        .unwrap();
    drop(store);
    check(&["server", "--port", "0"], &["newer"]);
    let said = product.run(&folder, &["status", "--project", "tiny"]);
    assert_eq!(said.code, 4, "{said:?}");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let mut product = Product::new(BINARY);
    let disk = product.folder().join("d");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "none"])
        .arg(&disk)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("no right to mount a small file system: the full disk is not tested");
        return;
    }
    let _mount = Mount(disk.clone());
    product.use_state("d/s");
    product.start(&["--no-traffic-log"]);
    let world = World::on(product, PROJECT);
    world.apply();
    let filler = disk.join("filler");
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .output()
        .unwrap();
    assert!(!full.status.success(), "the disk is not full");
    let run = world.say(&["run", "train", "--detach"]);
    let said = format!("{}{}", run.stdout, run.stderr);
    if run.code == 0 {
        let id = run.stdout.trim().to_owned();
        let run = world.ended(&id);
        assert_eq!(run["state"], "failed", "{run}");
    } else {
        assert!(said.contains("space") || said.contains("full"), "{said}");
    }
    // With room again, everything goes on.
    std::fs::remove_file(&filler).unwrap();
    let run = world.run("train", &[]);
    assert_eq!(run["state"], "succeeded", "{run}");
    drop(world);
}

struct Mount(std::path::PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
