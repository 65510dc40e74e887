//! What one caller may reach of a project: asked for every record that the traits of this crate give out or change, while a
//! store is [within](crate::Store::within) a gate.
//!
//! The gate decides; finding out what a record belongs to, and failing the whole transaction when anything in it was
//! refused, is done beside the SQL, so that no caller of this crate can forget it.

use std::collections::BTreeSet;
use std::fmt;

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// See it.
    Read,
    /// Change it.
    Update,
    /// Delete it.
    Delete,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Read => "read",
            Need::Update => "change",
            Need::Delete => "delete",
        })
    }
}

/// What a record is or belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing<'a> {
    /// An experiment, with its runs, traces, logged models and files.
    Experiment(i64),
    /// A registered model with its versions.
    Model(&'a str),
    /// A prompt with its versions.
    Prompt(&'a str),
    /// A scorer of an experiment.
    Scorer(i64, &'a str),
    /// None of these.
    Other,
}

impl Thing<'_> {
    /// The kind and the name, for people.
    pub(crate) fn named(self) -> (&'static str, String) {
        match self {
            Thing::Experiment(id) => ("experiment", id.to_string()),
            Thing::Model(name) => ("registered model", name.to_owned()),
            Thing::Prompt(name) => ("prompt", name.to_owned()),
            Thing::Scorer(experiment, name) => ("scorer", format!("{experiment}/{name}")),
            Thing::Other => ("this in the project", String::new()),
        }
    }
}

/// What a gate refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", text(*need, what, name))]
pub struct Denied {
    need: Need,
    what: &'static str,
    name: String,
}

impl Denied {
    pub(crate) fn new(need: Need, thing: Thing<'_>) -> Self {
        let (what, name) = thing.named();
        Denied { need, what, name }
    }
}

fn text(need: Need, what: &str, name: &str) -> String {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!(" `{name}`")
    };
    format!("your role and your grants do not let you {need} {what}{name}")
}

/// What searches leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden<K: Ord> {
    /// Everything.
    pub all: bool,
    /// These.
    pub some: BTreeSet<K>,
}

impl<K: Ord> Hidden<K> {
    /// Whether it is left out.
    pub fn has(&self, key: &K) -> bool {
        self.all || self.some.contains(key)
    }
}

/// Decides for one caller in one project.
pub trait Gate: fmt::Debug + Send + Sync {
    /// The project; nothing of another one is reached.
    fn project(&self) -> &str;
    /// Whether that may be done.
    fn allows(&self, thing: Thing<'_>, need: Need) -> bool;
    /// Whether new experiments, models and prompts may be made.
    fn creates(&self) -> bool;
    /// Experiments that cannot be read.
    fn hidden_experiments(&self) -> &Hidden<i64>;
    /// Registered models that cannot be read.
    fn hidden_models(&self) -> &Hidden<String>;
    /// Prompts that cannot be read.
    fn hidden_prompts(&self) -> &Hidden<String>;
}
