//! Traffic that many attacks send.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::client::{Connection, Outcome, Request, Script, Step};
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

/// Octets as they are, and whatever comes back.
pub fn octets(place: &Place, to: SocketAddr, octets: &[u8]) -> Result<Outcome> {
    let steps = vec![Step::Octets(octets.to_vec()), Step::Drain { silence_ms: SILENCE }];
    let outcomes = place.run(&Script { connections: vec![Connection { to, from: None, steps }] })?;
    let outcome = outcomes.into_iter().next_back();
    outcome.ok_or_else(|| anyhow::anyhow!("the client said nothing"))
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
