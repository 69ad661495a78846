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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_by_peer_and_shared_by_all() {
        let peer = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut peers = Peers::default();
        assert_eq!(peers.share(), 0);
        [1, 1, 1, 2].into_iter().for_each(|n| peers.add(peer(n)));
        assert_eq!([peers.of(peer(1)), peers.of(peer(2)), peers.of(peer(3)), peers.share()], [3, 1, 0, 2]);
        [1, 2, 3].into_iter().for_each(|n| peers.remove(peer(n)));
        assert_eq!([peers.of(peer(1)), peers.of(peer(2)), peers.share()], [2, 0, 2], "who has nothing has no share");
        peers.add(peer(2));
        assert_eq!((peers.share(), peers.held.len()), (1, 2));
    }
}
