//! Traffic that many attacks send.

use std::net::SocketAddr;

use anyhow::Result;

pub use crate::client::answered;
use crate::client::{Outcome, Request, Script};
use crate::lab::{Lab, Place, patience};

/// GETs of a label's path, one after the other on one connection, each answered with 200.
pub fn gets(place: &Place, to: SocketAddr, path: &str, count: usize) -> Result<Vec<Outcome>> {
    send(place, to, vec![Request::get(path); count])
}

/// The same with requests of one's own.
pub fn send(place: &Place, to: SocketAddr, requests: Vec<Request>) -> Result<Vec<Outcome>> {
    let count = requests.len();
    answered(place.run(&Script::keep_alive(to, requests))?, count)
}

/// Between the answers of one peer, in ms.
pub const SILENCE: u64 = 600;

/// Waits until so many requests to the backend are under way, by what the Envoys say.
pub fn in_flight(lab: &Lab, count: usize) -> Result<()> {
    patience::wait("requests in flight", || {
        let mut active = 0;
        for node in &lab.plan().nodes {
            let stats = lab.envoy(&node.name)?.admin("/stats?filter=hello-backend.*upstream_rq_active")?;
            active += stats.lines().filter_map(|line| line.rsplit(": ").next()?.parse::<usize>().ok()).sum::<usize>();
        }
        Ok((active >= count).then_some(()))
    })
}
