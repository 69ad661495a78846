//! waypoint-verify: proves that requests to a service really pass its waypoint proxy.
pub mod link;
pub mod model;
pub mod manifest;
pub mod policy;
pub mod wire;
