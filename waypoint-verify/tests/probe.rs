//! The probe on real sockets: programs attached to a cgroup of the test's own, traffic on the loopback of a network
//! namespace of its own.

#[path = "probe/budgets.rs"]
mod budgets;
#[path = "probe/connections.rs"]
mod connections;
#[path = "probe/cost.rs"]
mod cost;
#[path = "probe/epochs.rs"]
mod epochs;
#[path = "probe/life.rs"]
mod life;
#[path = "probe/options.rs"]
mod options;
#[path = "probe/payload.rs"]
mod payload;
#[path = "probe/peer.rs"]
mod peer;
#[path = "probe/raw.rs"]
mod raw;
#[path = "probe/watching.rs"]
mod watching;
#[path = "probe/world.rs"]
mod world;
