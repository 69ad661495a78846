//! What people run while working on waypoint-verify. The lab is a library, so that demo, tests and benchmarks use the same one.

pub mod client;
pub mod gateway;
pub mod lab;
pub mod setup;
