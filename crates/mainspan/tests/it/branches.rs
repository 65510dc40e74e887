//! Branches that are followed side by side although their files differ: which one is in force.

use crate::world::World;
use testkit::until;

/// The file of a branch: it says of which, and which branches are followed.
fn file(of: &str, push: &str) -> String {
    format!(
        "mainspan: 1
project: tiny
environments: [prod]
pipelines:
  train:
    triggers: {{ push: [{push}] }}
    params: {{ of: {of} }}
    steps:
      note: {{ run: 'sh mark.sh \"$MAINSPAN_PARAM_OF $MAINSPAN_COMMIT\"' }}
"
    )
}

#[test]
fn the_file_in_force_is_that_of_the_newest_push() {
    let world = World::new(&file("main", "main"));
    world.apply();
    let git = |words: &[&str]| world.project.git(words);
    let commit = |of: &str, push: &str, message: &str| {
        world.project.write("mainspan.yaml", file(of, push));
        // Or the step's result would be taken from the run before.
        world.project.write("note", message);
        world.project.commit(message)
    };
    let ran = |commit: &str| assert_eq!(world.run_of(commit)["state"], "succeeded");
    // Whether the file in the work tree is the one that was applied last.
    let in_force = || world.say(&["plan", "--detailed-exitcode"]).code == 0;
    // A branch that somebody left behind, with an older file.
    git(&["checkout", "--quiet", "-b", "old"]);
    let old = commit("old", "main", "Left behind");
    git(&["checkout", "--quiet", "-b", "next", "main"]);
    git(&["checkout", "--quiet", "main"]);

    // From now on all three are followed; what they had before is no push.
    let all = "main, next, old";
    let first = commit("main", all, "Follow them");
    ran(&first);
    assert!(in_force());

    // Another branch's push brings another file, and the next one of main brings its own back.
    git(&["checkout", "--quiet", "next"]);
    let next = commit("next", all, "Other parameters");
    ran(&next);
    assert!(in_force());
    git(&["checkout", "--quiet", "main"]);
    assert!(!in_force());
    let again = commit("main", all, "Nothing new");
    ran(&again);
    assert!(in_force());

    // One that follows itself only takes main along, because `apply` was called on it.
    git(&["checkout", "--quiet", "next"]);
    let alone = commit("alone", "next", "Follow myself");
    ran(&alone);
    git(&["checkout", "--quiet", "main"]);
    let back = commit("main", all, "Back");
    ran(&back);
    assert!(in_force());

    // Two at once, while nobody looks: the older one first.
    assert_eq!(world.say(&["down"]).code, 0);
    git(&["checkout", "--quiet", "next"]);
    let older = commit("next", all, "Older");
    git(&["checkout", "--quiet", "main"]);
    let newer = commit("main", all, "Newer");
    world.product.start(&[]);
    ran(&older);
    ran(&newer);
    assert!(in_force());
    let marks = world.marks();
    let expect = [
        ("main", &first),
        ("next", &next),
        ("main", &again),
        ("alone", &alone),
        ("main", &back),
        ("next", &older),
        ("main", &newer),
    ];
    let expect = expect.map(|(of, commit)| format!("{of} {commit}"));
    assert_eq!(marks, expect, "and nothing of {old}");
    let seen = until("what was dealt with", || {
        let status = world.product.read("projects/tiny/status");
        let seen = status["seen_commits"].clone();
        (seen["main"] == newer.as_str()).then_some(seen)
    });
    assert_eq!(seen["next"], older.as_str(), "{seen}");
    assert_eq!(seen["old"], old.as_str(), "{seen}");
}
