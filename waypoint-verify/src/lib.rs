//! waypoint-verify: proves that requests to a service really pass its waypoint proxy.
pub mod cli;
pub mod engine;
pub mod evidence;
mod fair;
pub mod host;
pub mod inventory;
pub mod judge;
pub mod link;
pub mod manifest;
pub mod model;
pub mod policy;
pub mod probe;
pub mod report;
pub mod trace;
pub mod wire;
