//! waypoint-verify: proves that requests to a service really pass its waypoint proxy.
pub mod host;
pub mod inventory;
pub mod link;
pub mod model;
pub mod manifest;
pub mod policy;
pub mod probe;
pub mod wire;
pub mod evidence;
pub mod judge;
pub mod trace;
pub mod engine;
pub mod cli;
pub mod report;
