//! Who a socket belongs to.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A pod, by what tells it from one that later has its name or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// A container of a pod, by the id its runtime gave it (`containerID` without the scheme).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerRef {
    pub node: String,
    pub pod: PodRef,
    /// Name of the container in its pod; empty where the inventory does not name this id (an ephemeral or unknown one).
    pub name: String,
    pub id: String,
}

/// The owner of a socket: the cgroup that it was created in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    Container(Arc<ContainerRef>),
    /// A process of the node itself, by the path of its cgroup below the root.
    Host {
        node: String,
        cgroup: String,
    },
    /// A cgroup that nothing is known of (its pod is not in the inventory, or it was gone before it could be looked at).
    Unknown {
        cgroup_id: u64,
        path: Option<String>,
    },
}

impl Owner {
    pub fn container(&self) -> Option<&ContainerRef> {
        match self {
            Self::Container(container) => Some(container),
            Self::Host { .. } | Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { &self.id } else { &self.name };
        write!(f, "pod {}/{} container {name} on {}", self.pod.namespace, self.pod.name, self.node)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(container) => container.fmt(f),
            Self::Host { node, cgroup } => write!(f, "host process of {node} in {cgroup}"),
            Self::Unknown { cgroup_id, path: Some(path) } => write!(f, "unknown cgroup {cgroup_id} ({path})"),
            Self::Unknown { cgroup_id, path: None } => write!(f, "unknown cgroup {cgroup_id}"),
        }
    }
}

/// The process that created a socket, as the kernel named it at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process id (thread group id) in the initial PID namespace.
    pub pid: u32,
    /// `task_struct.comm`, at most 15 octets.
    pub comm: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.comm, self.pid)
    }
}
