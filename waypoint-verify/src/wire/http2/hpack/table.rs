//! The dynamic table (RFC 7541 section 2.3.2): octets of its entries one after the other in one buffer, so that an entry
//! costs no allocation.

use std::collections::VecDeque;

use super::{Field, FieldText, fixed};

/// What an entry counts beside its octets (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;
/// Octets of evicted entries that may lie in front before the rest is moved there.
const SLACK: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Since the table was made; modulo [`Table::moved`] its place in the buffer.
    start: usize,
    name: u32,
    value: u32,
    field: Field,
}

impl Entry {
    fn len(&self) -> usize {
        self.name as usize + self.value as usize
    }
}

#[derive(Debug)]
pub(super) struct Table {
    octets: Vec<u8>,
    /// So many octets have been dropped from the front of the buffer.
    moved: usize,
    /// Newest first.
    entries: VecDeque<Entry>,
    pub size: usize,
    pub max_size: usize,
}

impl Table {
    pub fn new(max_size: usize) -> Self {
        Self { octets: Vec::new(), moved: 0, entries: VecDeque::new(), size: 0, max_size }
    }

    /// The field at an index of the whole address space: static entries from 1 on, then the newest ones.
    pub fn get(&self, index: usize) -> Option<FieldText<'_>> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = fixed::FIELDS.get(index) {
            let field = super::FIXED[index];
            return Some(FieldText { field, name: name.as_bytes(), value: value.as_bytes() });
        }
        let entry = self.entries.get(index - fixed::FIELDS.len())?;
        let (name, value) = self.text(entry).split_at(entry.name as usize);
        Some(FieldText { field: entry.field, name, value })
    }

    /// As section 4.4: what does not fit empties the table.
    pub fn insert(&mut self, field: Field, name: &[u8], value: &[u8]) {
        let start = self.begin();
        self.octets.extend_from_slice(name);
        self.finish(start, field, name.len(), value);
    }

    /// The name is that of another entry, which may have to go for this one.
    pub fn insert_named(&mut self, field: Field, named: usize, value: &[u8]) {
        let start = self.begin();
        let Some(entry) = named.checked_sub(fixed::FIELDS.len() + 1).and_then(|index| self.entries.get(index)) else {
            let name = fixed::FIELDS.get(named.wrapping_sub(1)).map_or(&b""[..], |(name, _)| name.as_bytes());
            return self.insert(field, name, value);
        };
        let (from, name) = (entry.start - self.moved, entry.name as usize);
        self.octets.extend_from_within(from..from + name);
        self.finish(start, field, name, value);
    }

    pub fn resize(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict();
    }

    pub fn heap(&self) -> usize {
        self.octets.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    fn text(&self, entry: &Entry) -> &[u8] {
        let from = entry.start - self.moved;
        &self.octets[from..from + entry.len()]
    }

    /// Where the next entry starts.
    fn begin(&mut self) -> usize {
        let oldest = self.entries.back().map_or(self.moved + self.octets.len(), |entry| entry.start);
        let dead = oldest - self.moved;
        if dead >= SLACK {
            self.octets.drain(..dead);
            self.moved = oldest;
        }
        self.moved + self.octets.len()
    }

    fn finish(&mut self, start: usize, field: Field, name: usize, value: &[u8]) {
        self.octets.extend_from_slice(value);
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let entry = Entry { start, name: length(name), value: length(value.len()), field };
        self.size += entry.len() + OVERHEAD;
        self.entries.push_front(entry);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.max_size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.len() + OVERHEAD;
        }
        if self.entries.is_empty() {
            self.moved += self.octets.len();
            self.octets.clear();
            // What did not fit may have been large.
            self.octets.shrink_to(2 * SLACK);
        }
    }
}
