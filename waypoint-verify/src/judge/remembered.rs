//! Messages by key, the oldest of which is forgotten when there are too many.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::model::MessageKey;

#[derive(Debug)]
pub struct Remembered<T> {
    /// Boxed: a table of large values is half empty space, and moves them all whenever it grows.
    by_key: FxHashMap<MessageKey, Box<T>>,
    order: VecDeque<MessageKey>,
    bound: usize,
}

impl<T> Remembered<T> {
    pub fn new(bound: usize) -> Self {
        Self { by_key: FxHashMap::default(), order: VecDeque::new(), bound }
    }

    pub fn get(&self, key: &MessageKey) -> Option<&T> {
        self.by_key.get(key).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, key: &MessageKey) -> Option<&mut T> {
        self.by_key.get_mut(key).map(Box::as_mut)
    }

    pub fn iter(&self) -> impl Iterator<Item = (MessageKey, &T)> {
        self.by_key.iter().map(|(key, value)| (*key, value.as_ref()))
    }

    /// What is known stays. `true`: something else was known at this key.
    pub fn insert(&mut self, key: MessageKey, value: T, same: impl Fn(&T, &T) -> bool) -> bool {
        if let Some(known) = self.by_key.get(&key) {
            return !same(known, &value);
        }
        self.by_key.insert(key, Box::new(value));
        self.order.push_back(key);
        false
    }

    pub fn remove(&mut self, key: &MessageKey) -> Option<Box<T>> {
        self.by_key.remove(key)
    }

    /// What is beyond the bound: the oldest, but rather what is not needed any more. Where nearly everything is, the
    /// search ends after some.
    pub fn overflow(&mut self, is_needed: impl Fn(&MessageKey, &T) -> bool) -> Vec<(MessageKey, T)> {
        let mut out = Vec::new();
        // Once round at most.
        let some = 64 + self.bound / 8 + 4 * self.by_key.len().saturating_sub(self.bound);
        let mut search = some.min(self.order.len());
        while self.by_key.len() > self.bound {
            let Some(key) = self.order.pop_front() else { break };
            let searching = search > 0;
            search = search.saturating_sub(1);
            let Some(value) = self.by_key.get(&key) else { continue };
            if searching && is_needed(&key, value) {
                self.order.push_back(key);
            } else if let Some(value) = self.by_key.remove(&key) {
                out.push((key, *value));
            }
        }
        if self.order.len() > 64 + 2 * self.by_key.len() {
            self.order.retain(|key| self.by_key.contains_key(key));
        }
        out
    }
}

#[cfg(test)]
mod tests;
