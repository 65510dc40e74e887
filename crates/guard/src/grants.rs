//! What MLflow's grants and roles make of a user's role in one project: a pure fold, asked record by record through
//! [`store::Gate`].
//!
//! A role is the base. On a single resource the greatest of base and grants wins, and a denial wins over all of them; whoever
//! may do everything in a project (an admin, or MANAGE on the workspace) cannot be denied anything there. Since every role
//! reads the project, what cannot be read is what was denied.

use crate::role::Role;
use std::collections::BTreeMap;
use store::{Gate, Grant, Hidden, Need, Thing};

/// MLflow's permissions, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// See it.
    Read,
    /// See it, and make new things beside it.
    Use,
    /// Change it.
    Edit,
    /// Delete it, and say what others may do with it.
    Manage,
}

impl Level {
    /// MLflow's word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Read => "READ",
            Level::Use => "USE",
            Level::Edit => "EDIT",
            Level::Manage => "MANAGE",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Level::Read, Level::Use, Level::Edit, Level::Manage]
            .into_iter()
            .find(|level| level.word() == word)
    }

    /// What a role is on everything in its project.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Viewer => Level::Use,
            Role::Developer => Level::Edit,
            Role::Operator | Role::Admin => Level::Manage,
        }
    }
}

/// What is granted on one resource or on all of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    level: Option<Level>,
    denied: bool,
}

impl Said {
    fn add(&mut self, permission: &str) {
        match Level::of(permission) {
            Some(level) => self.level = self.level.max(Some(level)),
            // A denial, and anything that is not known.
            None => self.denied = true,
        }
    }

    fn and(self, other: Said) -> Said {
        Said {
            level: self.level.max(other.level),
            denied: self.denied || other.denied,
        }
    }
}

/// What is granted on the resources of one type.
#[derive(Clone, Debug)]
struct Granted<K: Ord> {
    all: Said,
    some: BTreeMap<K, Said>,
}

impl<K: Ord> Default for Granted<K> {
    fn default() -> Self {
        Granted {
            all: Said::default(),
            some: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Granted<K> {
    fn add(&mut self, key: Option<K>, permission: &str) {
        match key {
            None => self.all.add(permission),
            Some(key) => self.some.entry(key).or_default().add(permission),
        }
    }

    fn on(&self, key: &K) -> Said {
        let own = self.some.get(key).copied().unwrap_or_default();
        own.and(self.all)
    }

    fn denies(&self) -> bool {
        self.all.denied || self.some.values().any(|one| one.denied)
    }

    fn hidden(&self) -> Hidden<K> {
        let denied = self.some.iter().filter(|(_, one)| one.denied);
        Hidden {
            all: self.all.denied,
            some: denied.map(|(key, _)| key.clone()).collect(),
        }
    }
}

/// What one user with grants may do in one project.
#[derive(Clone, Debug)]
pub struct Rights {
    project: String,
    role: Role,
    workspace: Option<Level>,
    experiments: Granted<i64>,
    models: Granted<String>,
    prompts: Granted<String>,
    scorers: Granted<(i64, String)>,
    denies: bool,
    hidden_experiments: Hidden<i64>,
    hidden_models: Hidden<String>,
    hidden_prompts: Hidden<String>,
}

/// The experiment and the name in MLflow's pattern of a scorer, `<experiment>/<name, escaped as in a URL>`.
pub fn scorer(pattern: &str) -> Option<(i64, String)> {
    let (experiment, name) = pattern.split_once('/')?;
    let name = crate::path::decoded(name).filter(|name| !name.is_empty())?;
    Some((experiment.parse().ok()?, name))
}

impl Rights {
    /// Folds what a user is granted in a project.
    pub fn fold<'g>(
        project: &str,
        role: Role,
        grants: impl IntoIterator<Item = &'g Grant>,
    ) -> Self {
        let mut rights = Rights {
            project: project.to_owned(),
            role,
            workspace: None,
            experiments: Granted::default(),
            models: Granted::default(),
            prompts: Granted::default(),
            scorers: Granted::default(),
            denies: false,
            hidden_experiments: Hidden::default(),
            hidden_models: Hidden::default(),
            hidden_prompts: Hidden::default(),
        };
        for grant in grants.into_iter().filter(|one| one.project == project) {
            rights.add(grant);
        }
        rights.denies |= rights.experiments.denies()
            || rights.models.denies()
            || rights.prompts.denies()
            || rights.scorers.denies();
        rights.hidden_experiments = rights.experiments.hidden();
        rights.hidden_models = rights.models.hidden();
        rights.hidden_prompts = rights.prompts.hidden();
        rights
    }

    fn add(&mut self, grant: &Grant) {
        let Grant {
            resource_pattern: pattern,
            permission,
            ..
        } = grant;
        let named = (pattern != "*").then(|| pattern.clone());
        match grant.resource_type.as_str() {
            "workspace" => self.workspace = self.workspace.max(Level::of(permission)),
            "registered_model" => self.models.add(named, permission),
            "prompt" => self.prompts.add(named, permission),
            "experiment" => match named.map(|id| id.parse()).transpose() {
                Ok(id) => self.experiments.add(id, permission),
                Err(_) => self.denies = true,
            },
            "scorer" => match named.map(|pattern| scorer(&pattern).ok_or(())).transpose() {
                Ok(key) => self.scorers.add(key, permission),
                Err(()) => self.denies = true,
            },
            // Nothing else is ever kept; what cannot be understood is taken for a denial of something.
            _ => self.denies = true,
        }
    }

    /// Whether the caller may do everything in the project, whatever else is said.
    pub fn manages(&self) -> bool {
        self.role == Role::Admin || self.workspace == Some(Level::Manage)
    }

    /// Whether the role alone lets the caller change what they make.
    pub fn edits(&self) -> bool {
        self.manages() || Level::of_role(self.role) >= Level::Edit
    }

    /// Whether something in the project is denied to the caller.
    pub fn denies(&self) -> bool {
        self.denies && !self.manages()
    }

    /// What the caller is on that; none where it is denied.
    pub fn level(&self, thing: Thing<'_>) -> Option<Level> {
        if self.manages() {
            return Some(Level::Manage);
        }
        let base = Level::of_role(self.role);
        let said = match thing {
            Thing::Experiment(id) => self.experiments.on(&id),
            Thing::Model(name) => self.models.on(&name.to_owned()),
            Thing::Prompt(name) => self.prompts.on(&name.to_owned()),
            Thing::Scorer(experiment, name) => self
                .scorers
                .on(&(experiment, name.to_owned()))
                .and(self.experiments.on(&experiment)),
            // It may belong to what is denied.
            Thing::Other => Said {
                level: None,
                denied: self.denies,
            },
        };
        (!said.denied).then(|| said.level.map_or(base, |level| level.max(base)))
    }
}

impl Gate for Rights {
    fn project(&self) -> &str {
        &self.project
    }

    fn allows(&self, thing: Thing<'_>, need: Need) -> bool {
        let Some(level) = self.level(thing) else {
            return false;
        };
        match need {
            Need::Read => true,
            Need::Update => level >= Level::Edit,
            // Developers delete what they have made, as without grants.
            Need::Delete => level >= Level::Manage || self.role >= Role::Developer,
        }
    }

    fn creates(&self) -> bool {
        self.role >= Role::Developer || self.workspace.is_some()
    }

    fn hidden_experiments(&self) -> &Hidden<i64> {
        &self.hidden_experiments
    }

    fn hidden_models(&self) -> &Hidden<String> {
        &self.hidden_models
    }

    fn hidden_prompts(&self) -> &Hidden<String> {
        &self.hidden_prompts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(role: Role, grants: &[(&str, &str, &str)]) -> Rights {
        let grant = |(kind, pattern, permission): &(&str, &str, &str)| Grant {
            project: "a".into(),
            resource_type: (*kind).into(),
            resource_pattern: (*pattern).into(),
            permission: (*permission).into(),
        };
        let mut all: Vec<Grant> = grants.iter().map(grant).collect();
        all.push(Grant {
            project: "b".into(),
            ..grant(&("experiment", "*", "DENY"))
        });
        Rights::fold("a", role, &all)
    }

    #[test]
    fn the_greatest_wins_and_a_denial_over_all() {
        let one = Thing::Experiment(5);
        let check = |role, grants: &[(&str, &str, &str)], expect: Option<Level>| {
            let rights = fold(role, grants);
            assert_eq!(rights.level(one), expect, "{role} {grants:?}");
            assert_eq!(rights.allows(one, Need::Read), expect.is_some());
        };
        let viewer = Role::Viewer;
        check(viewer, &[], Some(Level::Use));
        check(viewer, &[("experiment", "5", "EDIT")], Some(Level::Edit));
        check(viewer, &[("experiment", "6", "EDIT")], Some(Level::Use));
        check(viewer, &[("experiment", "*", "EDIT")], Some(Level::Edit));
        check(
            viewer,
            &[("registered_model", "*", "EDIT")],
            Some(Level::Use),
        );
        let both = [("experiment", "5", "READ"), ("experiment", "*", "MANAGE")];
        check(viewer, &both, Some(Level::Manage));
        check(
            Role::Developer,
            &[("experiment", "5", "READ")],
            Some(Level::Edit),
        );
        for denied in ["5", "*"] {
            let grants = [
                ("experiment", "5", "MANAGE"),
                ("experiment", denied, "DENY"),
            ];
            check(viewer, &grants, None);
            check(Role::Operator, &grants, None);
            check(Role::Admin, &grants, Some(Level::Manage));
            let manages = [grants[0], grants[1], ("workspace", "*", "MANAGE")];
            check(viewer, &manages, Some(Level::Manage));
            let uses = [grants[0], grants[1], ("workspace", "*", "USE")];
            check(viewer, &uses, None);
        }
    }

    #[test]
    fn what_belongs_to_nothing_is_refused_to_whom_something_is_denied() {
        for (grants, expect) in [
            (&[][..], true),
            (&[("experiment", "5", "EDIT")], true),
            (&[("scorer", "5/a%20b", "DENY")], false),
            (&[("scorer", "nonsense", "READ")], false),
            (&[("experiment", "x", "READ")], false),
            (&[("later", "*", "READ")], false),
            (&[("experiment", "5", "LATER")], false),
        ] {
            let rights = fold(Role::Developer, grants);
            assert_eq!(
                rights.allows(Thing::Other, Need::Update),
                expect,
                "{grants:?}"
            );
            assert_eq!(rights.denies(), !expect, "{grants:?}");
        }
    }

    #[test]
    fn scorers_ask_their_experiment_too() {
        let thing = Thing::Scorer(5, "a b");
        for (grants, expect) in [
            (&[("scorer", "5/a%20b", "EDIT")][..], Some(Level::Edit)),
            (&[("scorer", "6/a%20b", "EDIT")], Some(Level::Use)),
            (&[("experiment", "5", "EDIT")], Some(Level::Edit)),
            (&[("experiment", "5", "DENY")], None),
            (&[("scorer", "*", "DENY")], None),
        ] {
            assert_eq!(
                fold(Role::Viewer, grants).level(thing),
                expect,
                "{grants:?}"
            );
        }
    }

    #[test]
    fn who_makes_and_who_deletes() {
        for (role, grants, creates, deletes) in [
            (Role::Viewer, &[][..], false, false),
            (Role::Viewer, &[("workspace", "*", "USE")], true, false),
            (Role::Viewer, &[("experiment", "5", "EDIT")], false, false),
            (Role::Viewer, &[("experiment", "5", "MANAGE")], false, true),
            (Role::Developer, &[("experiment", "5", "READ")], true, true),
        ] {
            let rights = fold(role, grants);
            assert_eq!(rights.creates(), creates, "{role} {grants:?}");
            let one = Thing::Experiment(5);
            assert_eq!(
                rights.allows(one, Need::Delete),
                deletes,
                "{role} {grants:?}"
            );
        }
    }

    #[test]
    fn searches_leave_out_what_is_denied() {
        let rights = fold(
            Role::Developer,
            &[
                ("experiment", "5", "DENY"),
                ("experiment", "6", "EDIT"),
                ("registered_model", "*", "DENY"),
                ("prompt", "p", "DENY"),
            ],
        );
        assert!(rights.hidden_experiments().has(&5) && !rights.hidden_experiments().has(&6));
        assert!(rights.hidden_models().all && !rights.hidden_prompts().all);
        assert!(rights.hidden_prompts().has(&"p".to_owned()));
        let none = fold(Role::Developer, &[]);
        assert_eq!(none.hidden_experiments(), &Hidden::default());
    }
}
