//! What the judge remembers: connections by their two ends, and messages by where they were seen.
//!
//! Evidence only fills it; what follows from evidence that came in any order is drawn at a tick.

mod ends;
mod forget;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

use super::connections::{Connections, Dispute};
use super::remembered::Remembered;
use super::settled::Settled;
use super::{Limits, tally::Share};
use crate::evidence::{End, RequestLine};
use crate::fair::Charges;
use crate::link::Link;
use crate::model::{BootNs, Class, ConnKey, ContainerRef, MessageKey, Reason, Side, Verdict};

#[derive(Clone, Debug)]
pub struct Entry {
    pub instance: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub digest: u64,
    pub at: BootNs,
    /// Offset after its content, if it has any and its end was seen.
    pub end: Option<u64>,
    /// Number of the tick before which it came.
    pub tick: u64,
}

impl Entry {
    fn same(&self, other: &Self) -> bool {
        (&self.instance, self.local, self.peer, self.digest, self.at)
            == (&other.instance, other.local, other.peer, other.digest, other.at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It needs a payment that has not come yet.
    Pending,
    Settled,
    /// By number of the overdrawn class.
    Overdrawn(u32),
    /// It was paid for, but other departures may have been lost that its payer had to pay for as well.
    Uncounted,
}

#[derive(Clone, Debug)]
pub struct Departure {
    pub instance: Arc<ContainerRef>,
    pub digest: u64,
    pub link: Link,
    /// The same, narrower.
    pub narrowed: Option<Link>,
    pub unknown_creator: Option<Reason>,
    pub status: Status,
    /// The first of the attempts that were paid for together.
    pub group: Option<MessageKey>,
    /// Arrivals whose verdict depends on it.
    pub waiting: BTreeSet<MessageKey>,
    pub at: BootNs,
    /// As [`Entry::end`].
    pub end: Option<u64>,
    /// As [`Entry::tick`].
    pub tick: u64,
}

impl Departure {
    pub fn new(
        instance: Arc<ContainerRef>,
        digest: u64,
        link: Link,
        unknown_creator: Option<Reason>,
        at: BootNs,
    ) -> Self {
        let status = if link.counted { Status::Pending } else { Status::Settled };
        Self {
            instance,
            digest,
            link,
            narrowed: None,
            unknown_creator,
            status,
            group: None,
            waiting: BTreeSet::new(),
            at,
            end: None,
            tick: 0,
        }
    }

    /// With what is known by now.
    pub fn link(&self) -> &Link {
        self.narrowed.as_ref().unwrap_or(&self.link)
    }

    fn same(&self, other: &Self) -> bool {
        (&self.instance, self.digest, &self.link, self.unknown_creator, self.at)
            == (&other.instance, other.digest, &other.link, other.unknown_creator, other.at)
    }
}

#[derive(Clone, Debug)]
pub struct JudgedUnder {
    /// Index of the policy.
    pub policy: usize,
    pub verdict: Verdict,
    pub class: Class,
    pub is_final: bool,
    /// All that could have caused it is in this overdrawn class.
    pub overdrawn: Option<Share>,
}

/// Hardly ever is a pod protected by two policies.
pub type JudgedUnderAll = SmallVec<[JudgedUnder; 1]>;

#[derive(Clone, Debug)]
pub struct Arrival {
    pub at_pod: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub request: Arc<RequestLine>,
    pub digest: u64,
    pub at: BootNs,
    pub progress: Progress,
    /// As [`Entry::end`].
    pub end: Option<u64>,
    /// How many departures are still to be paid for before it is final.
    pub pending: usize,
    pub judged: JudgedUnderAll,
}

impl Arrival {
    fn same(&self, other: &Self) -> bool {
        (&self.at_pod, self.local, self.peer, self.digest, self.at)
            == (&other.at_pod, other.local, other.peer, other.digest, other.at)
    }

    /// Not judged for good.
    fn is_open(&self) -> bool {
        self.judged.is_empty() || self.judged.iter().any(|judged| !judged.is_final)
    }
}

/// How much of an arrival its receiver took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub head: bool,
    pub whole: bool,
    /// It will not be followed to its end.
    pub broken: Option<Reason>,
    /// Nor was its head taken.
    pub unread: bool,
    /// The tick at which it was found that nobody seen had opened its connection.
    pub unseen_at: Option<BootNs>,
}

impl Progress {
    pub fn received(whole: bool) -> Self {
        Self { head: true, whole, ..Self::default() }
    }

    pub fn abandoned(reason: Option<Reason>) -> Self {
        Self { unread: reason.is_none(), broken: reason, ..Self::default() }
    }

    fn add(&mut self, news: &Self) {
        self.head |= news.head;
        self.whole |= news.whole;
        self.unread |= news.unread;
        self.broken = self.broken.into_iter().chain(news.broken).min();
    }
}

#[derive(Debug)]
pub struct State {
    pub connections: Connections,
    pub entries: Remembered<Entry>,
    /// How many entries each peer has.
    peers: Charges<IpAddr>,
    pub departures: Remembered<Departure>,
    pub arrivals: Remembered<Arrival>,
    /// Arrivals that nothing can change any more.
    settled: Settled,
    /// Every node of the inventory is observed.
    pub covered: bool,
    pub evicted: u64,
    /// Departures or entries were forgotten.
    pub forgot: bool,
    overdrawn: BTreeMap<(String, u64), u32>,
    /// Number of the tick that comes next, and of the last one that told a loss.
    tick: u64,
    lossy: Option<u64>,
    /// Since the last tick.
    new: New,
}

/// Evidence since the last tick whose effect depends on other evidence.
#[derive(Debug, Default)]
struct New {
    narrowed: Vec<(MessageKey, Link)>,
    ended: Vec<(MessageKey, Side, u64)>,
    settled: Vec<(MessageKey, MessageKey)>,
    overdrawn: Vec<(MessageKey, Arc<ContainerRef>, u32)>,
    lost: bool,
    disputed: Vec<ConnKey>,
}

impl State {
    pub fn new(limits: &Limits) -> Self {
        Self {
            connections: Connections::new(limits.connections),
            entries: Remembered::new(limits.messages),
            peers: Charges::default(),
            departures: Remembered::new(limits.messages),
            arrivals: Remembered::new(limits.messages),
            settled: Settled::new(limits.messages / 16),
            covered: true,
            evicted: 0,
            forgot: false,
            overdrawn: BTreeMap::new(),
            tick: 0,
            lossy: None,
            new: New::default(),
        }
    }

    pub fn opened(&mut self, conn: ConnKey, side: Side, end: Arc<End>) {
        self.connections.opened(conn, side, end);
    }

    pub fn entered(&mut self, key: MessageKey, mut entry: Entry) {
        entry.tick = self.tick;
        if self.entries.get(&key).is_none() {
            self.peers.charge(entry.peer.ip(), 0, 1);
        }
        let disputed = self.entries.insert(key, entry, Entry::same);
        self.new.disputed.extend(disputed.then_some(key.conn));
    }

    pub fn departed(&mut self, key: MessageKey, mut departure: Departure) {
        departure.tick = self.tick;
        let disputed = self.departures.insert(key, departure, Departure::same);
        self.new.disputed.extend(disputed.then_some(key.conn));
    }

    pub fn arrived(&mut self, key: MessageKey, arrival: Arrival) {
        let disputed = match self.settled.is_same(&key, &arrival) {
            Some(same) => !same,
            None => self.arrivals.insert(key, arrival, Arrival::same),
        };
        self.new.disputed.extend(disputed.then_some(key.conn));
    }

    /// Nothing that is still to come can change what was judged of it.
    pub fn settle(&mut self, key: MessageKey) {
        if let Some(arrival) = self.arrivals.remove(&key) {
            self.settled.insert(key, &arrival);
        }
    }

    /// All news of it since the last tick, in any order. `true`: it is to be judged (again).
    pub fn progressed<'a>(&mut self, key: MessageKey, news: impl Iterator<Item = &'a Progress>) -> bool {
        let Some(arrival) = self.arrivals.get_mut(&key) else { return false };
        news.for_each(|news| arrival.progress.add(news));
        if arrival.progress.unread && !arrival.progress.head {
            self.arrivals.remove(&key);
            return false;
        }
        true
    }

    pub fn narrowed(&mut self, key: MessageKey, link: Link) {
        self.new.narrowed.push((key, link));
    }

    pub fn settled(&mut self, keys: &[MessageKey]) {
        let first = keys.iter().min().copied();
        self.new.settled.extend(keys.iter().filter_map(|key| Some((*key, first?))));
    }

    /// The departures belong to an overdrawn class; returns its number.
    pub fn overdrawn(
        &mut self,
        instance: &Arc<ContainerRef>,
        class: u64,
        keys: impl Iterator<Item = MessageKey>,
    ) -> u32 {
        let next = u32::try_from(self.overdrawn.len()).unwrap_or(u32::MAX);
        let class = *self.overdrawn.entry((instance.id.clone(), class)).or_insert(next);
        self.new.overdrawn.extend(keys.map(|key| (key, Arc::clone(instance), class)));
        class
    }

    /// `departures`: some of what was lost may have been one.
    pub fn lost(&mut self, openings: bool, departures: bool) {
        self.new.lost |= departures;
        self.connections.lost |= openings;
    }

    /// All evidence of what happened before `at` is there. Returns the arrivals that are to be judged again: a set, because
    /// many departures of equal requests name the same ones.
    pub fn tick(&mut self, at: BootNs) -> BTreeSet<MessageKey> {
        let New { narrowed, ended, settled, overdrawn, lost, disputed } = std::mem::take(&mut self.new);
        if lost {
            self.lossy = Some(self.tick);
        }
        self.tick += 1;
        self.connections.tick(at);
        let mut again = BTreeSet::new();
        self.compare_ends(ended, &mut again);
        for (key, link) in narrowed {
            let Some(departure) = self.departures.get_mut(&key) else { continue };
            if departure.status == Status::Pending && !link.counted {
                departure.status = Status::Settled;
            }
            departure.narrowed = Some(link);
            again.extend(departure.waiting.iter().copied());
        }
        for (key, instance, class) in overdrawn {
            if let Some(departure) = self.departures.get_mut(&key).filter(|departure| departure.instance == instance) {
                departure.status = Status::Overdrawn(class);
                departure.group.get_or_insert(key);
                again.extend(departure.waiting.iter().copied());
            }
        }
        for (key, group) in settled {
            let lossy = self.lossy;
            let Some(departure) = self.departures.get_mut(&key) else { continue };
            // What was lost may be a departure of the same cause.
            let entered = departure.link().candidates.iter().filter_map(|candidate| self.entries.get(candidate));
            let uncounted = lossy.is_some_and(|lossy| entered.into_iter().any(|entry| entry.tick <= lossy));
            departure.group = Some(departure.group.map_or(group, |other| other.min(group)));
            if departure.status == Status::Pending && !uncounted {
                departure.status = Status::Settled;
                // Of many equal requests each waits for all payments, and only the last one makes it final.
                let arrivals = &mut self.arrivals;
                again.extend(departure.waiting.iter().copied().filter(|key| {
                    arrivals.get_mut(key).is_some_and(|arrival| {
                        arrival.pending = arrival.pending.saturating_sub(1);
                        arrival.pending == 0
                    })
                }));
                continue;
            }
            if departure.status == Status::Pending {
                departure.status = Status::Uncounted;
            }
            again.extend(departure.waiting.iter().copied());
        }
        for conn in disputed {
            self.connections.dispute(conn, Dispute::Messages);
        }
        again
    }

    pub fn open_arrivals(&self) -> impl Iterator<Item = MessageKey> {
        self.arrivals.iter().filter(|(_, arrival)| arrival.is_open()).map(|(key, _)| key)
    }

    /// Whether an arrival that is still open was judged under the policy in this place.
    pub fn is_judged_under(&self, policy: usize) -> bool {
        self.arrivals.iter().any(|(_, arrival)| arrival.judged.iter().any(|judged| judged.policy == policy))
    }

    /// The verdict of `arrival` rests on these departures.
    pub fn wait_for(&mut self, departures: &[MessageKey], arrival: MessageKey) {
        for key in departures {
            if let Some(departure) = self.departures.get_mut(key) {
                departure.waiting.insert(arrival);
            }
        }
    }
}
