//! Which branches of a project's repository are followed.
//!
//! Applying a file marks the heads of the branches that it follows as seen, and the trigger reconciler looks for heads
//! that are not. Both ask here.

use pipeline::git::Repository;
use spec::ProjectFile;
use std::collections::{BTreeMap, BTreeSet};

/// The branches that some pipeline's `push` names, and the one that was checked out when the file was last applied by
/// hand.
pub(crate) fn branches(file: &ProjectFile, home: Option<&str>) -> BTreeSet<String> {
    let named = file.pipelines.values().flat_map(|p| p.triggers.push.iter());
    named.cloned().chain(home.map(str::to_owned)).collect()
}

/// What a person should know who applies a file here: pushes that cannot come.
pub(crate) fn notes(
    repository: Option<&Repository>,
    file: &ProjectFile,
    root: &str,
) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, pipeline) in &file.pipelines {
        for branch in &pipeline.triggers.push {
            match repository {
                None => {
                    notes.push(format!(
                        "`{root}` is in no git repository, so that no commit starts pipeline `{name}`: run `git init` there and commit"
                    ));
                    break;
                }
                Some(known) if known.branch_head(branch).is_none() => notes.push(format!(
                    "pipeline `{name}` waits for commits on branch `{branch}`, which does not exist here yet"
                )),
                Some(_) => {}
            }
        }
    }
    notes
}

/// The commits that the branches point at; one that does not exist is left out.
pub(crate) fn heads(
    repository: &Repository,
    branches: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let head = |branch: &String| Some((branch.clone(), repository.branch_head(branch)?));
    branches.iter().filter_map(head).collect()
}
