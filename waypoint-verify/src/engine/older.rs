//! Connections that are older than the probes, for as long as they live.
//!
//! The kernel programs see nothing of them but that they are used. So they are looked for again, in the kernel's own tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::host;
use crate::model::{ContainerRef, OlderConnections, OlderGroup};
use crate::trace::Predating;

/// How long one that was closed can go unnoticed.
const EVERY: Duration = Duration::from_secs(5);
/// Connections that are remembered one by one. Those beyond it are never forgotten.
const BOUND: usize = 65_536;
/// Groups that are told.
const GROUPS: usize = 64;

/// The accepting end, the other one, and whose network it is (containers of one pod have the same addresses).
type Key = (SocketAddr, SocketAddr, String);

#[derive(Debug)]
pub(super) struct Remaining {
    began: Instant,
    due: Instant,
    open: BTreeMap<Key, Open>,
    beyond: u64,
    closed: Vec<(Arc<ContainerRef>, u64)>,
}

#[derive(Debug)]
struct Open {
    container: Arc<ContainerRef>,
    /// What stands for it.
    stream: u64,
    /// Something can still come over it.
    brings: bool,
}

impl Remaining {
    /// Observation begins.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, due: now + EVERY, open: BTreeMap::new(), beyond: 0, closed: Vec::new() }
    }

    pub(super) fn add(&mut self, predating: Predating) {
        let Predating { container, local, remote, stream } = predating;
        if self.open.len() >= BOUND {
            self.beyond += 1;
        } else {
            self.open.insert((local, remote, container.pod.uid.clone()), Open { container, stream, brings: true });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A connection between these was opened while it was observed: an older one is gone.
    pub(super) fn opened(&mut self, local: SocketAddr, remote: SocketAddr) {
        let between = self.open.range((local, remote, String::new())..);
        let gone: Vec<_> =
            between.map(|(key, _)| key).take_while(|key| (key.0, key.1) == (local, remote)).cloned().collect();
        for key in gone {
            let gone = self.open.remove(&key);
            self.closed.extend(gone.map(|gone| (gone.container, gone.stream)));
        }
    }

    /// Forgets those that are closed, if it is time to look. `accepted`: what is open now.
    pub(super) fn look(&mut self, accepted: impl FnOnce() -> Vec<host::Older>) {
        if self.open.is_empty() || Instant::now() < self.due {
            return;
        }
        self.keep(&accepted());
        self.due = Instant::now() + EVERY;
    }

    fn keep(&mut self, accepted: &[host::Older]) {
        let key = |one: &host::Older| (one.local, one.remote, one.container.pod.uid.clone());
        let there: BTreeMap<Key, bool> = accepted.iter().map(|one| (key(one), one.brings)).collect();
        let closed = &mut self.closed;
        self.open.retain(|key, open| match there.get(key) {
            Some(brings) => {
                open.brings = *brings;
                true
            }
            None => {
                closed.push((Arc::clone(&open.container), open.stream));
                false
            }
        });
    }

    /// Those that were closed since this was asked last.
    pub(super) fn take_closed(&mut self) -> Vec<(Arc<ContainerRef>, u64)> {
        std::mem::take(&mut self.closed)
    }

    pub(super) fn told(&self) -> OlderConnections {
        let mut by_ends: BTreeMap<(&Arc<ContainerRef>, IpAddr), u64> = BTreeMap::new();
        for ((_, remote, _), open) in self.open.iter().filter(|(_, open)| open.brings) {
            *by_ends.entry((&open.container, remote.ip())).or_default() += 1;
        }
        let group = |((container, peer), connections): ((&Arc<ContainerRef>, IpAddr), u64)| OlderGroup {
            container: Arc::clone(container),
            peer,
            connections,
        };
        let mut groups: Vec<_> = by_ends.into_iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.connections));
        let rest = groups.split_off(groups.len().min(GROUPS));
        let more = rest.iter().map(|group| group.connections).sum::<u64>() + self.beyond;
        OlderConnections { seconds: self.began.elapsed().as_secs(), groups, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodRef;

    fn container(name: &str) -> Arc<ContainerRef> {
        let pod = PodRef { namespace: "hello".into(), name: name.into(), uid: format!("u-{name}") };
        Arc::new(ContainerRef { node: "node-1".into(), pod, name: "main".into(), id: format!("c-{name}") })
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn predating(local: SocketAddr, remote: SocketAddr, stream: u64) -> Predating {
        Predating { container: container("web"), local, remote, stream }
    }

    #[test]
    fn one_is_told_until_it_is_closed_or_its_addresses_belong_to_another() {
        let (own, a, b, c) = (at("10.0.0.1:80"), at("10.0.0.2:1000"), at("10.0.0.2:1001"), at("10.0.0.3:1000"));
        let mut remaining = Remaining::new();
        for (stream, remote) in [(1, a), (2, b), (3, c)] {
            remaining.add(predating(own, remote, stream));
        }
        let told = |remaining: &Remaining| -> Vec<_> {
            remaining.told().groups.iter().map(|group| (group.peer.to_string(), group.connections)).collect()
        };
        let closed = |remaining: &mut Remaining| -> Vec<u64> {
            remaining.take_closed().into_iter().map(|(_, stream)| stream).collect()
        };
        assert_eq!(told(&remaining), [("10.0.0.2".to_owned(), 2), ("10.0.0.3".to_owned(), 1)]);
        remaining.opened(own, c);
        assert_eq!(closed(&mut remaining), [3]);
        let there = |remote, brings| host::Older { container: container("web"), local: own, remote, brings };
        remaining.keep(&[there(a, true), there(c, true)]);
        assert_eq!(told(&remaining), [("10.0.0.2".to_owned(), 1)]);
        assert_eq!(closed(&mut remaining), [2]);
        // Nothing more can come over it, and what has come may still be worked on.
        remaining.keep(&[there(a, false)]);
        assert!(told(&remaining).is_empty() && closed(&mut remaining).is_empty());
        remaining.keep(&[]);
        assert_eq!(closed(&mut remaining), [1]);
        assert!(remaining.is_empty());
    }

    #[test]
    fn what_is_beyond_the_groups_that_are_told_is_counted() {
        let mut remaining = Remaining::new();
        for peer in 0..100u8 {
            let remote = SocketAddr::from(([10, 1, 0, peer], 1000));
            remaining.add(predating(at("10.0.0.1:80"), remote, peer.into()));
        }
        let told = remaining.told();
        assert_eq!((told.groups.len(), told.more), (64, 36));
    }
}
