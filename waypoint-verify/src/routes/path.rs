//! A declared way to the waypoint's or the target's pods.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::dialect::Dialect;
use super::objects::Item;
use super::witness::Witness;
use crate::manifest::ObjectKey;
use crate::model::Bypass;

/// Where a path leads, as far as its policy is concerned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "class", rename_all = "camelCase")]
pub enum Class {
    /// Reaches the target without the waypoint.
    Past { kind: Bypass },
    /// What it leads to is not understood.
    Unknown { why: String },
    /// Would reach the target without the waypoint, but for this.
    Closed { by: String },
    /// Reaches the waypoint.
    Through,
}

/// A note of paths through the waypoint.
pub const OTHERWISE_ENTERED: &str = "enters otherwise than by spec.entry";

impl Class {
    pub const NAMES: [&'static str; 4] = ["past", "unknown", "closed", "through"];

    /// As what a request that takes it counts.
    pub fn bypass(&self) -> Option<Bypass> {
        match self {
            Self::Past { kind } => Some(*kind),
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Past { .. } => "past",
            Self::Unknown { .. } => "unknown",
            Self::Closed { .. } => "closed",
            Self::Through => "through",
        }
    }

    pub fn is_past(&self) -> bool {
        matches!(self, Self::Past { .. })
    }
}

/// Who can take a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// Whoever reaches the cluster's nodes or load balancers.
    Outside,
    /// Every pod and node.
    Cluster,
    /// Whatever runs in the own network of the pods' node.
    Node,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Door {
    pub from: From,
    /// `HOST:PORT`; in angle brackets what only a cluster can say.
    pub address: String,
}

/// One object on the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// `Kind namespace/name`.
    pub object: String,
    #[serde(skip)]
    pub key: Option<ObjectKey>,
    /// What of it: listener, rule, port.
    pub what: String,
    /// File (and document) that it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    /// Path of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Hop {
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Whether it is this port of a Service.
    pub fn is_at(&self, port: u16) -> bool {
        let own = self.what.strip_prefix("port ").and_then(|rest| rest.split(' ').next());
        own.and_then(|own| own.parse().ok()) == Some(port)
    }

    /// Of an object that is known by its name alone.
    pub fn named(object: impl Into<String>, what: impl Into<String>) -> Self {
        Self { object: object.into(), key: None, what: what.into(), source: None, field: None }
    }

    pub fn of<T>(item: &Item<T>, what: impl Into<String>) -> Self {
        Self {
            key: Some(item.key.clone()),
            source: Some(item.source.clone()),
            ..Self::named(item.key.to_string(), what)
        }
    }
}

/// Pods of one workload, and the container ports that are reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// `Kind namespace/name`.
    pub workload: String,
    /// Empty: any port.
    pub ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    #[serde(flatten)]
    pub class: Class,
    pub doors: Vec<Door>,
    pub hops: Vec<Hop>,
    pub reaches: Vec<Reached>,
    /// A copy of a request takes it, not the request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
    /// Of requests that match, in percent, where weights say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Who would serve it so; empty where that does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialects: Vec<Dialect>,
    /// A request that takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// The smallest change that closes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    pub notes: Vec<String>,
}

impl Path {
    /// The same for one path in two states of the objects: what it is made of, not how it is shared or witnessed.
    pub fn identity(&self) -> String {
        format!("{:?} {}", self.from(), self.way())
    }

    /// The same, whoever can take it.
    pub fn way(&self) -> String {
        let hops = self.hops.iter().map(|hop| format!("{} {}", hop.object, hop.what));
        let reached = self.reaches.iter().map(|reached| format!("{} {:?}", reached.workload, reached.ports));
        let parts: Vec<_> = hops.chain(reached).collect();
        format!("{:?} {} {}", self.class, self.mirror, parts.join(" > "))
    }

    /// Who can take it.
    pub fn from(&self) -> BTreeSet<From> {
        self.doors.iter().map(|door| door.from).collect()
    }

    /// What of it is to be changed: the rule that leads here, else where it begins.
    pub fn offender(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.field.is_some()).or_else(|| self.hops.first())
    }

    /// Not only from the own network of the pods' node, from which nothing shuts anybody out.
    pub fn from_pods(&self) -> bool {
        self.doors.iter().any(|door| door.from != From::Node)
    }

    /// It reaches the waypoint, and is entered otherwise than the policy wants.
    pub fn is_otherwise_entered(&self) -> bool {
        self.class == Class::Through && self.notes.iter().any(|note| note == OTHERWISE_ENTERED)
    }

    pub fn from_outside(&self) -> bool {
        self.doors.iter().any(|door| door.from == From::Outside)
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "outside",
            Self::Cluster => "any pod",
            Self::Node => "the pods' node",
        })
    }
}
