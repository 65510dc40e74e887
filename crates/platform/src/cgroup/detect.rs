//! Which control group hierarchies this process may use, from `/proc/self/{cgroup,mountinfo}`.
//!
//! Called by the driver when it opens and by `doctor`. Version 1 controllers are preferred where
//! they are mounted, as on hybrid hosts version 2 then has none; there the version 1 `pids` group is
//! also what kills, since joining a version 2 group waits for an RCU grace period (16 ms measured)
//! and joining a version 1 group by thread does not. Parsing is pure; only [`Hierarchies::detect`]
//! touches the host, and it never moves a process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::group::{Group, Place};

/// The directory below our own group that holds the units' groups.
const PARENT: &str = "mainspan";

/// Where groups for units can be made. An absent one cannot be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    pub(crate) cpu: Option<Base>,
    pub(crate) memory: Option<Base>,
    pub(crate) pids: Option<Base>,
    /// What kills everything in a group: a version 1 group in which nothing more can fork (`pids`, or
    /// else the freezer), or version 2.
    pub(crate) kill: Option<Base>,
}

/// A group of ours in one hierarchy, below which the units' groups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) parent: PathBuf,
    /// The group that this process is in.
    pub(crate) home: PathBuf,
    pub(crate) v2: bool,
}

/// Our own group in one hierarchy, as a directory.
type Own = BTreeMap<String, PathBuf>;

impl Hierarchies {
    /// Looks at the host and makes the parent group in every hierarchy that can be written.
    pub(crate) fn detect() -> Self {
        let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = own_groups(&cgroups, &mounts);
        let v1 = |controller: &str| own.get(controller).and_then(|dir| make_parent_v1(dir));
        let pids = v1("pids");
        let kill = pids.clone().or_else(|| v1("freezer"));
        let mut found = Self {
            cpu: v1("cpu"),
            memory: v1("memory"),
            pids,
            kill,
        };
        if let [Some(_), Some(_), Some(_), Some(_)] =
            [&found.cpu, &found.memory, &found.pids, &found.kill]
        {
            // All that is needed is there.
        } else if let Some((base, controllers)) = own.get("").and_then(|dir| make_parent_v2(dir)) {
            let has = |name: &str| {
                controllers
                    .iter()
                    .any(|controller| controller == name)
                    .then(|| base.clone())
            };
            found.cpu = found.cpu.or_else(|| has("cpu"));
            found.memory = found.memory.or_else(|| has("memory"));
            found.pids = found.pids.or_else(|| has("pids"));
            found.kill = found.kill.or(Some(base));
        }
        found.weigh_parent();
        found
    }

    /// The group for a unit; `name` must be unique on the host.
    pub(crate) fn group(&self, name: &str) -> Group {
        let place = |base: &Option<Base>| {
            base.as_ref().map(|base| Place {
                dir: base.parent.join(name),
                home: base.home.clone(),
                v2: base.v2,
            })
        };
        Group {
            cpu: place(&self.cpu),
            memory: place(&self.memory),
            pids: place(&self.pids),
            kill: place(&self.kill),
        }
    }

    /// All units together weigh as much as the CPUs of the machine would, not as one process.
    fn weigh_parent(&self) {
        let Some(base) = &self.cpu else { return };
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (file, weight) = if base.v2 {
            ("cpu.weight", 100 * cpus)
        } else {
            ("cpu.shares", 1024 * cpus)
        };
        if let Err(error) = fs::write(base.parent.join(file), weight.to_string()) {
            tracing::warn!(%error, file, "cannot set the weight of the units' control group");
        }
    }
}

/// The directory of our own group by controller; version 2 has the empty name.
fn own_groups(cgroups: &str, mountinfo: &str) -> Own {
    let paths: BTreeMap<String, &str> = cgroups
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?, parts.next()?))
        })
        .flat_map(|(controllers, path)| {
            controllers
                .split(',')
                .map(move |name| (name.to_owned(), path))
        })
        .collect();
    let mut own = Own::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let ([_, _, _, root, mount, ..], [kind, _, options, ..]) =
            (left.as_slice(), right.as_slice())
        else {
            continue;
        };
        let names: Vec<&str> = match *kind {
            "cgroup" => options.split(',').collect(),
            "cgroup2" => vec![""],
            _ => continue,
        };
        for name in names {
            let Some(path) = paths.get(name) else {
                continue;
            };
            // In a container the mount shows only a part of the hierarchy.
            let Ok(below) = Path::new(path).strip_prefix(root) else {
                continue;
            };
            own.entry(name.to_owned())
                .or_insert_with(|| Path::new(mount).join(below));
        }
    }
    own
}

fn make_parent_v1(own: &Path) -> Option<Base> {
    let parent = own.join(PARENT);
    make(&parent)?;
    is_writable(&parent.join("tasks")).then_some(Base {
        parent,
        home: own.to_owned(),
        v2: false,
    })
}

/// Version 2 lets a group with processes of its own hand no controllers down, so with systemd's
/// `DelegateSubgroup=mainspan` the units' parent is our sibling.
fn make_parent_v2(own: &Path) -> Option<(Base, Vec<String>)> {
    let base = if own.file_name().is_some_and(|name| name == PARENT) {
        own.parent()?
    } else {
        own
    };
    let parent = base.join("mainspan-units");
    make(&parent)?;
    if !is_writable(&parent.join("cgroup.procs")) {
        return None;
    }
    for controller in ["cpu", "memory", "pids"] {
        for group in [base, &parent] {
            // What was not handed down shows in the list that is read next.
            let _ = fs::write(
                group.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
    let controllers = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    let controllers = controllers
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    Some((
        Base {
            parent,
            home: own.to_owned(),
            v2: true,
        },
        controllers,
    ))
}

fn make(dir: &Path) -> Option<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => None,
        _ => Some(()),
    }
}

fn is_writable(file: &Path) -> bool {
    fs::OpenOptions::new().write(true).open(file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cgroups: &str, mounts: &str, expect: &[(&str, &str)]) {
        let own = own_groups(cgroups, mounts);
        let found: Vec<(&str, &str)> = own
            .iter()
            .map(|(name, dir)| (name.as_str(), dir.to_str().unwrap()))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn our_own_group_is_found_in_every_layout() {
        let hybrid = "\
            30 25 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            31 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            33 25 0:30 / /proc rw - proc proc rw\n";
        check(
            "4:memory:/a/b\n3:cpu,cpuacct:/\n0::/c\n",
            hybrid,
            &[
                ("", "/sys/fs/cgroup/unified/c"),
                ("cpu", "/sys/fs/cgroup/cpu,cpuacct/"),
                ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/"),
                ("memory", "/sys/fs/cgroup/memory/a/b"),
            ],
        );
        let v2 = "30 25 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        check(
            "0::/user.slice/mainspan.service\n",
            v2,
            &[("", "/sys/fs/cgroup/user.slice/mainspan.service")],
        );
        let container = "30 25 0:27 /docker/x /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        check(
            "5:pids:/docker/x\n",
            container,
            &[("pids", "/sys/fs/cgroup/pids/")],
        );
        check("5:pids:/elsewhere\n", container, &[]);
        check("", "", &[]);
        check("garbage\n1:x", "garbage - \n - cgroup", &[]);
    }

    #[test]
    fn a_host_without_control_groups_gives_an_empty_group() {
        assert_eq!(Hierarchies::default().group("x"), Group::default());
    }
}
