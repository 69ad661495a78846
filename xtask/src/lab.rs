//! The lab: nodes, pods, Gateways and Services made of network namespaces, cgroups, nftables and the real proxies.
//!
//! `Lab::up` builds it, dropping it removes everything, and so does its owner's death (`watchdog`). Nothing of it is in the host's
//! own network namespace.

pub mod address;
pub mod caddy;
pub mod cgroup;
pub mod cli;
pub(crate) mod dump;
pub mod envoy;
mod firewall;
mod netns;
mod network;
mod objects;
pub mod patience;
pub mod place;
pub mod places;
pub mod plan;
pub mod privileged;
pub mod process;
pub mod relay;
mod running;
pub mod supervisor;
pub mod topology;
pub mod watchdog;

pub use caddy::Variant;
pub use dump::described;
pub use place::Place;
pub use plan::Plan;
pub use running::Lab;
pub use topology::Topology;
