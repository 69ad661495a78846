//! What a change of the objects opens and closes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Analysis, Class, Path};
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
        let unread: std::collections::BTreeSet<_> = base.unread.iter().chain(&head.unread).cloned().collect();
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

/// Paths of `all` that `others` lacks; equal ones as often as they are more.
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
    left
}
