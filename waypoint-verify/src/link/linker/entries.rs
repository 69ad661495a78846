//! The live entries of one instance, by key, by connection and by class.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::EntryIn;
use crate::link::class::{Order, Span};
use crate::link::facts::Facts;
use crate::model::{BootNs, ConnKey, MessageKey};

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: MessageKey,
    pub facts: Facts,
    pub peer: IpAddr,
    pub complete_at: Order,
    pub class: u64,
    pub irregular: bool,
    pub acknowledged: bool,
    /// Until then a departure may still have been caused by it; `None`: its exchange is open.
    pub deadline: Option<BootNs>,
    /// Octets of its body, once it is complete.
    pub body: Option<u64>,
}

impl Entry {
    pub fn new(entry: EntryIn, class: u64, irregular: bool) -> Self {
        let EntryIn { key, facts, peer, complete_at } = entry;
        Self { key, facts, peer, complete_at, class, irregular, acknowledged: false, deadline: None, body: None }
    }

    /// It was complete before the departure began, and its exchange was not over.
    pub fn open_at(&self, at: Order, ns: BootNs) -> bool {
        self.complete_at < at && self.deadline.is_none_or(|deadline| ns <= deadline)
    }

    pub fn span(&self) -> Span {
        Span { from: self.complete_at, until: self.deadline.unwrap_or(BootNs::MAX) }
    }
}

/// The entries of one class.
#[derive(Debug, Default)]
struct Places {
    /// Ascending by `complete_at`; places of entries that are gone are skipped and cleared lazily.
    all: SmallVec<[(u32, MessageKey); 1]>,
    live: usize,
}

#[derive(Debug, Default)]
pub struct Entries {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_key: FxHashMap<MessageKey, u32>,
    by_conn: FxHashMap<ConnKey, SmallVec<[MessageKey; 2]>>,
    by_class: FxHashMap<u64, Places>,
    irregular: Vec<u32>,
    by_age: VecDeque<MessageKey>,
    /// Deadlines by what set them: each is nearly ascending by itself.
    answered: VecDeque<(BootNs, MessageKey)>,
    closed: VecDeque<(BootNs, MessageKey)>,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn irregular_len(&self) -> usize {
        self.irregular.len()
    }

    pub fn contains(&self, key: MessageKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub fn insert(&mut self, entry: Entry) {
        let key = entry.key;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.by_key.insert(key, slot);
        self.by_conn.entry(key.conn).or_default().push(key);
        if entry.irregular {
            self.irregular.push(slot);
        } else {
            self.place(entry.class, entry.complete_at, (slot, key));
        }
        self.by_age.push_back(key);
        if self.by_age.len() > 64 + 2 * self.by_key.len() {
            self.by_age.retain(|key| self.by_key.contains_key(key));
        }
        self.slots[slot as usize] = Some(entry);
    }

    fn place(&mut self, class: u64, complete_at: Order, place: (u32, MessageKey)) {
        let slots = &self.slots;
        let complete = |(slot, key): &(u32, MessageKey)| {
            slots[*slot as usize].as_ref().filter(|entry| entry.key == *key).map(|entry| entry.complete_at)
        };
        let places = self.by_class.entry(class).or_default();
        while places.all.last().is_some_and(|place| complete(place).is_none()) {
            places.all.pop();
        }
        let before = |other: &(u32, MessageKey)| complete(other).is_some_and(|other| other <= complete_at);
        let at = places.all.iter().rposition(before).map_or(0, |at| at + 1);
        places.all.insert(at, place);
        places.live += 1;
    }

    pub fn remove(&mut self, key: MessageKey) -> Option<Entry> {
        let slot = self.by_key.remove(&key)?;
        let entry = self.slots[slot as usize].take()?;
        self.free.push(slot);
        if let Some(keys) = self.by_conn.get_mut(&key.conn) {
            if let Some(at) = keys.iter().position(|other| *other == key) {
                keys.swap_remove(at);
            }
            if keys.is_empty() {
                self.by_conn.remove(&key.conn);
            }
        }
        if entry.irregular {
            self.irregular.retain(|other| *other != slot);
        } else {
            self.trim(entry.class);
        }
        Some(entry)
    }

    /// Drops stale places once they are half of a class or many stand in front, and the class with its last entry.
    fn trim(&mut self, class: u64) {
        let Some(places) = self.by_class.get_mut(&class) else { return };
        let slots = &self.slots;
        let alive =
            |place: &(u32, MessageKey)| slots[place.0 as usize].as_ref().is_some_and(|entry| entry.key == place.1);
        places.live -= 1;
        if places.live == 0 {
            self.by_class.remove(&class);
        } else if places.all.len() >= 2 * places.live || !places.all.iter().take(STALE).any(alive) {
            places.all.retain(|place| alive(place));
        }
    }

    pub fn get(&self, key: MessageKey) -> Option<&Entry> {
        self.slots[*self.by_key.get(&key)? as usize].as_ref()
    }

    pub fn get_mut(&mut self, key: MessageKey) -> Option<&mut Entry> {
        let slot = *self.by_key.get(&key)?;
        self.slots[slot as usize].as_mut()
    }

    /// Some that entered first, of the peer that has most of all, or of the irregular ones.
    pub fn surplus(&self, irregular: bool, many: usize) -> Vec<MessageKey> {
        let alive =
            || self.by_age.iter().filter_map(|key| self.get(*key)).filter(|entry| !irregular || entry.irregular);
        let mut of_peer: FxHashMap<IpAddr, usize> = FxHashMap::default();
        alive().for_each(|entry| *of_peer.entry(entry.peer).or_default() += 1);
        let Some(most) = of_peer.values().copied().max() else { return Vec::new() };
        // Of several peers, the one whose first entry is oldest.
        let Some(peer) = alive().map(|entry| entry.peer).find(|peer| of_peer[peer] == most) else { return Vec::new() };
        alive().filter(|entry| entry.peer == peer).take(many.min(most)).map(|entry| entry.key).collect()
    }

    /// The irregular entry that entered first.
    pub fn oldest_irregular(&self) -> Option<&Entry> {
        self.irregular().next()
    }

    /// The exchange is over at `deadline`, unless it is known to be over before.
    pub fn over(&mut self, key: MessageKey, deadline: BootNs, answered: bool) {
        let Some(entry) = self.get_mut(key) else { return };
        if entry.deadline.is_some_and(|known| known <= deadline) {
            return;
        }
        entry.deadline = Some(deadline);
        let queue = if answered { &mut self.answered } else { &mut self.closed };
        let at = queue.iter().rposition(|(other, _)| *other <= deadline).map_or(0, |at| at + 1);
        queue.insert(at, (deadline, key));
    }

    /// The entry that was over first, before `ns`; removed.
    pub fn next_over(&mut self, ns: BootNs) -> Option<Entry> {
        loop {
            let due = |queue: &VecDeque<(BootNs, MessageKey)>| queue.front().map(|(at, _)| *at).filter(|at| *at < ns);
            let queue = match (due(&self.answered), due(&self.closed)) {
                (None, None) => return None,
                (Some(answered), Some(closed)) if closed < answered => &mut self.closed,
                (Some(_), _) => &mut self.answered,
                (None, Some(_)) => &mut self.closed,
            };
            let (deadline, key) = queue.pop_front()?;
            if self.get(key).is_some_and(|entry| entry.deadline == Some(deadline)) {
                return self.remove(key);
            }
        }
    }

    pub fn of_connection(&self, conn: ConnKey) -> SmallVec<[MessageKey; 2]> {
        self.by_conn.get(&conn).cloned().unwrap_or_default()
    }

    pub fn of_class(&self, class: u64) -> impl Iterator<Item = &Entry> {
        self.by_class
            .get(&class)
            .into_iter()
            .flat_map(|places| &places.all)
            .filter_map(|(slot, key)| self.slots[*slot as usize].as_ref().filter(|entry| entry.key == *key))
    }

    pub fn earliest_of_class(&self, class: u64) -> Option<Order> {
        self.of_class(class).next().map(|entry| entry.complete_at)
    }

    pub fn regular(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten().filter(|entry| !entry.irregular)
    }

    pub fn irregular(&self) -> impl Iterator<Item = &Entry> {
        self.irregular.iter().filter_map(|slot| self.slots[*slot as usize].as_ref())
    }
}

/// Stale places in front of a class that are stepped over rather than cleared.
const STALE: usize = 64;

#[cfg(test)]
mod tests;
