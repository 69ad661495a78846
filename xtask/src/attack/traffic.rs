//! Traffic that many attacks send.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::client::{Outcome, Request, Script};
use crate::lab::Place;

/// GETs of a label's path, one after the other on one connection, each answered with 200.
pub fn gets(place: &Place, to: SocketAddr, path: &str, count: usize) -> Result<Vec<Outcome>> {
    send(place, to, vec![Request::get(path); count])
}

/// The same with requests of one's own.
pub fn send(place: &Place, to: SocketAddr, requests: Vec<Request>) -> Result<Vec<Outcome>> {
    let count = requests.len();
    answered(place.run(&Script::keep_alive(to, requests))?, count)
}

/// Whoever answers answers within this; who waits for more octets says nothing.
pub const SILENCE: u64 = 200;

/// Traffic that did not flow proves nothing.
pub fn answered(outcomes: Vec<Outcome>, count: usize) -> Result<Vec<Outcome>> {
    ensure!(outcomes.len() == count, "{} of {count} requests were made", outcomes.len());
    let failed = outcomes.iter().find(|outcome| outcome.status != 200);
    ensure!(failed.is_none(), "not answered with 200: {failed:?}");
    Ok(outcomes)
}
