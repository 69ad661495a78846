//! Connections that were open before a node's agent began to observe, and still are: what comes over them nobody sees.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ContainerRef;

/// As an agent tells them, until they are closed. On the bus with its answers: `bus::batch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderConnections {
    /// Since the agent began to observe: all of them were opened before.
    pub seconds: u64,
    /// Those with the most connections first.
    pub groups: Vec<OlderGroup>,
    /// Connections beyond these, of any container.
    pub more: u64,
}

/// Those that one container accepted from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderGroup {
    pub container: Arc<ContainerRef>,
    pub peer: IpAddr,
    pub connections: u64,
}
