//! The live entries of one instance, by key, by connection and by class.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::EntryIn;
use crate::link::class::Order;
use crate::link::facts::Facts;
use crate::model::{BootNs, ConnKey, MessageKey};

#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// Until then a departure may still have been caused by it.
    pub deadline: BootNs,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: MessageKey,
    pub facts: Facts,
    pub peer: IpAddr,
    pub complete_at: Order,
    pub class: u64,
    pub irregular: bool,
    pub acknowledged: bool,
    pub over: Option<Over>,
}

impl Entry {
    pub fn new(entry: EntryIn, class: u64, irregular: bool) -> Self {
        Self {
            key: entry.key,
            facts: entry.facts,
            peer: entry.peer,
            complete_at: entry.complete_at,
            class,
            irregular,
            acknowledged: false,
            over: None,
        }
    }

    /// It was complete before the departure began, and its exchange was not over.
    pub fn open_at(&self, at: Order, ns: BootNs) -> bool {
        self.complete_at < at && self.over.is_none_or(|over| ns <= over.deadline)
    }
}

/// Irregular entries that may still pay for one departure, remembered at most.
const PURSE: usize = 4096;

#[derive(Debug, Default)]
pub struct Entries {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_key: FxHashMap<MessageKey, u32>,
    by_conn: FxHashMap<ConnKey, SmallVec<[MessageKey; 2]>>,
    /// Ascending by `complete_at`; slots that were reused or freed are skipped and cleared lazily.
    by_class: FxHashMap<u64, VecDeque<(u32, MessageKey)>>,
    irregular: Vec<u32>,
    request_ids: FxHashMap<u64, u32>,
    by_age: VecDeque<MessageKey>,
    answered: VecDeque<(BootNs, MessageKey)>,
    closed: VecDeque<(BootNs, MessageKey)>,
    /// Entries that are over, but whose mirrored copy may still depart.
    late: VecDeque<(BootNs, Entry)>,
    purse: FxHashSet<MessageKey>,
    purse_order: VecDeque<MessageKey>,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn insert(&mut self, entry: Entry) {
        if self.by_key.contains_key(&entry.key) {
            return;
        }
        let key = entry.key;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_key.insert(key, slot);
        self.by_conn.entry(key.conn).or_default().push(key);
        if entry.irregular {
            self.irregular.push(slot);
        } else {
            self.by_class.entry(entry.class).or_default().push_back((slot, key));
        }
        if let Some(id) = entry.facts.request_id {
            *self.request_ids.entry(id).or_default() += 1;
        }
        self.by_age.push_back(key);
        if self.by_age.len() > 64 + 2 * self.by_key.len() {
            self.by_age.retain(|key| self.by_key.contains_key(key));
        }
        self.slots[slot as usize] = Some(entry);
    }

    pub fn remove(&mut self, key: MessageKey) -> Option<Entry> {
        let slot = self.by_key.remove(&key)?;
        let entry = self.slots[slot as usize].take()?;
        self.free.push(slot);
        if let Some(keys) = self.by_conn.get_mut(&key.conn) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_conn.remove(&key.conn);
            }
        }
        if let Some(id) = entry.facts.request_id
            && let Some(count) = self.request_ids.get_mut(&id)
        {
            *count -= 1;
            if *count == 0 {
                self.request_ids.remove(&id);
            }
        }
        if entry.irregular {
            self.irregular.retain(|other| *other != slot);
        } else {
            self.trim(entry.class);
        }
        Some(entry)
    }

    /// Drops stale places from the front of a class, and the class with its last one.
    fn trim(&mut self, class: u64) {
        let Some(places) = self.by_class.get_mut(&class) else { return };
        let slots = &self.slots;
        let alive =
            |place: &(u32, MessageKey)| slots[place.0 as usize].as_ref().is_some_and(|entry| entry.key == place.1);
        while places.front().is_some_and(|place| !alive(place)) {
            places.pop_front();
        }
        if places.len() > 64 && places.len() > 4 * places.iter().filter(|place| alive(place)).count() {
            places.retain(alive);
        }
        if places.is_empty() {
            self.by_class.remove(&class);
        }
    }

    pub fn get_mut(&mut self, key: MessageKey) -> Option<&mut Entry> {
        let slot = *self.by_key.get(&key)?;
        self.slots[slot as usize].as_mut()
    }

    pub fn acknowledged(&mut self, key: MessageKey) {
        let Some(entry) = self.get_mut(key) else { return };
        entry.acknowledged = true;
        if entry.irregular && self.purse.insert(key) {
            self.purse_order.push_back(key);
            if self.purse_order.len() > PURSE
                && let Some(oldest) = self.purse_order.pop_front()
            {
                self.purse.remove(&oldest);
            }
        }
    }

    /// One of these irregular entries pays, if any still can.
    pub fn rescue(&mut self, irregular: &[MessageKey]) -> bool {
        irregular.iter().any(|key| self.purse.remove(key))
    }

    pub fn oldest(&mut self) -> Option<&Entry> {
        while let Some(key) = self.by_age.front() {
            if let Some(slot) = self.by_key.get(key) {
                return self.slots[*slot as usize].as_ref();
            }
            self.by_age.pop_front();
        }
        None
    }

    pub fn over(&mut self, key: MessageKey, deadline: BootNs, answered: bool) {
        let Some(entry) = self.get_mut(key) else { return };
        if entry.over.is_some_and(|over| over.deadline <= deadline) {
            return;
        }
        entry.over = Some(Over { deadline });
        let queue = if answered { &mut self.answered } else { &mut self.closed };
        queue.push_back((deadline, key));
    }

    /// The next entry whose time has passed, removed; kept for mirrors for `mirror_life` longer.
    pub fn next_over(&mut self, ns: BootNs, mirror_life: BootNs) -> Option<Entry> {
        while self.late.front().is_some_and(|(until, _)| *until < ns) {
            self.late.pop_front();
        }
        loop {
            let queue = match (self.answered.front(), self.closed.front()) {
                (Some((deadline, _)), _) if *deadline < ns => &mut self.answered,
                (_, Some((deadline, _))) if *deadline < ns => &mut self.closed,
                _ => return None,
            };
            let (deadline, key) = queue.pop_front()?;
            let current = self.by_key.get(&key).and_then(|slot| self.slots[*slot as usize].as_ref());
            if current.and_then(|entry| entry.over).is_some_and(|over| over.deadline == deadline) {
                let entry = self.remove(key)?;
                if mirror_life > 0 {
                    self.late.push_back((deadline + mirror_life, entry.clone()));
                }
                return Some(entry);
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
            .flatten()
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

    pub fn late(&self) -> impl Iterator<Item = &Entry> {
        self.late.iter().map(|(_, entry)| entry)
    }

    pub fn carries_request_id(&self, id: u64) -> bool {
        self.request_ids.contains_key(&id)
    }
}
