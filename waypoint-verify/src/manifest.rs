//! Kubernetes objects as they come: YAML or JSON, several documents, lists; and what is wrong with them.
//!
//! One reader for files (`kubectl get -o yaml`) and for an API server: both hand out `Object`s.

mod locate;
mod problem;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::model::NamespacedName;

pub use locate::line_of;
pub use problem::{Nature, Problem, Problems, Severity};
pub use read::{files_of, read_path, read_paths, read_str};

/// What tells one Kubernetes object from every other. The API version is left out: versions are views of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// API group; empty for the core group.
    pub group: String,
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    pub fn name(&self) -> NamespacedName {
        NamespacedName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The file of a source (`FILE (document N)`).
pub fn file_of(source: &str) -> &str {
    source.rsplit_once(" (document ").map_or(source, |(file, _)| file)
}

/// One object, whatever its kind, and where it was read.
#[derive(Clone, Debug)]
pub struct Object {
    pub key: ObjectKey,
    /// `v1`, `v1alpha1` ...
    pub version: String,
    pub json: Arc<Value>,
    /// File (with the number of the document in it), or a name for the API server.
    pub source: Arc<str>,
}

impl Object {
    /// A problem of this object.
    pub fn problem(&self, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem::error(what, cure).at(&self.source).of(self.key.to_string()).field(field)
    }
}
