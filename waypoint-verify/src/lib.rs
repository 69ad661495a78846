//! waypoint-verify: proves that requests to a service really pass its waypoint proxy.
pub mod model;
