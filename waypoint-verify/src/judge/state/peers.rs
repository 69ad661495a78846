//! How much is held for each peer.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
pub(super) struct Peers {
    held: FxHashMap<IpAddr, usize>,
    sum: usize,
}

impl Peers {
    pub fn add(&mut self, peer: IpAddr) {
        *self.held.entry(peer).or_default() += 1;
        self.sum += 1;
    }

    pub fn remove(&mut self, peer: IpAddr) {
        let Some(held) = self.held.get_mut(&peer) else { return };
        *held -= 1;
        self.sum -= 1;
        if *held == 0 {
            self.held.remove(&peer);
        }
    }

    pub fn of(&self, peer: IpAddr) -> usize {
        self.held.get(&peer).copied().unwrap_or(0)
    }

    /// What each would have if all had as much.
    pub fn share(&self) -> usize {
        self.sum / self.held.len().max(1)
    }
}
