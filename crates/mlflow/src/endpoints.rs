//! Every endpoint of MLflow, and what is done with it: the list that the routes and the documentation are held against.

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Served, and compared with MLflow.
    Served,
    /// Refused with NOT_IMPLEMENTED.
    Refused,
    /// No such route.
    Absent,
}

impl State {
    /// As the list and the documentation spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Served => "as MLflow",
            State::Refused => "501",
            State::Absent => "not there",
        }
    }
}

/// One endpoint of MLflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `GET` and its kin.
    pub method: &'static str,
    /// From the root, with `{name}` for a segment and `{*name}` for the rest.
    pub path: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// What is done with it.
    pub state: State,
    /// What there is to say of the group.
    pub note: &'static str,
}

/// The list, in its order.
///
/// # Panics
/// When the list is not well-formed, which a test knows first.
#[must_use]
pub fn all() -> Vec<Endpoint> {
    let (mut all, mut head) = (Vec::new(), None);
    for line in include_str!("endpoints.txt").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            head = Some(group(heading).expect("a heading says group, state and note"));
        } else if !line.is_empty() && !line.starts_with('#') {
            let (method, path) = line.split_once(' ').expect("a line says method and path");
            let (group, state, note) = head.expect("a heading comes first");
            all.push(Endpoint {
                method,
                path,
                group,
                state,
                note,
            });
        }
    }
    all
}

fn group(heading: &'static str) -> Option<(&'static str, State, &'static str)> {
    let mut parts = heading.splitn(3, '|').map(str::trim);
    let (name, word) = (parts.next()?, parts.next()?);
    let states = [State::Served, State::Refused, State::Absent];
    let state = states.into_iter().find(|state| state.word() == word)?;
    Some((name, state, parts.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_is_well_formed() {
        let all = all();
        let once: BTreeSet<_> = all.iter().map(|one| (one.method, one.path)).collect();
        assert_eq!(once.len(), all.len(), "an endpoint is there twice");
        assert!(all.len() > 250);
    }
}
