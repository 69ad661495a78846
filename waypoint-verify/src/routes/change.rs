//! What a change of the objects opens and closes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Analysis, Class, From, Path};
use crate::manifest::Problem;

/// Of one policy: the paths of one state that the other lacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub policy: String,
    pub opened: Vec<Path>,
    pub closed: Vec<Path>,
    /// What could not be read of either state.
    #[serde(serialize_with = "super::as_text")]
    pub unread: Vec<Problem>,
}

impl Change {
    /// `base` is the state before, `head` the one after, of one policy.
    pub fn between(base: &Analysis, head: &Analysis) -> Self {
        let unread: BTreeSet<_> = base.unread.iter().chain(&head.unread).cloned().collect();
        Self {
            policy: head.policy.clone(),
            opened: without(&head.paths, &base.paths),
            closed: without(&base.paths, &head.paths),
            unread: unread.into_iter().collect(),
        }
    }

    pub fn opens_past(&self) -> bool {
        self.opened.iter().any(|path| path.class.is_past())
    }

    /// Something unread, or not understood, that could be a path past the waypoint which the change opens.
    pub fn is_partial(&self) -> bool {
        !self.unread.is_empty() || self.opened.iter().any(|path| matches!(path.class, Class::Unknown { .. }))
    }
}

/// Paths of `all` that `others` lacks; equal ones as often as they are more. One that more could take there is none that they lack.
fn without(all: &[Path], others: &[Path]) -> Vec<Path> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for path in others {
        *known.entry(path.identity()).or_default() += 1;
    }
    let mut left = Vec::new();
    for path in all {
        match known.get_mut(&path.identity()).filter(|times| **times > 0) {
            Some(times) => *times -= 1,
            None => left.push(path.clone()),
        }
    }
    let mut ways: BTreeMap<String, Vec<BTreeSet<From>>> = BTreeMap::new();
    if !left.is_empty() {
        others.iter().for_each(|path| ways.entry(path.way()).or_default().push(path.from()));
    }
    left.retain(|path| {
        let own = path.from();
        !ways.get(&path.way()).is_some_and(|there| there.iter().any(|others| covers(others, &own)))
    });
    left
}

/// Whether these are all of those, and more. Whoever is on the pods' node is in the cluster.
fn covers(these: &BTreeSet<From>, those: &BTreeSet<From>) -> bool {
    let has = |from: &From| these.contains(from) || (*from == From::Node && these.contains(&From::Cluster));
    these != those && those.iter().all(has)
}
