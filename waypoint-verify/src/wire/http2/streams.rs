//! The streams of one connection that the client may still send on, and the last ones that it has ended.

use std::collections::VecDeque;

/// Ended streams that are remembered, because a reset may still follow.
const ENDED: usize = 128;

#[derive(Debug)]
pub(super) struct Open {
    pub id: u32,
    /// Of its message.
    pub offset: u64,
    /// Octets of content so far.
    pub body: u64,
    /// `content-length`.
    pub declared: Option<u64>,
    /// When it was last used.
    touched: u64,
}

#[derive(Debug)]
pub(super) struct Streams {
    /// The highest identifier that was used.
    last: u32,
    /// By identifier: they only grow.
    open: Vec<Open>,
    /// Stream and offset of its message, oldest first.
    ended: VecDeque<(u32, u64)>,
    max: usize,
    clock: u64,
}

impl Streams {
    pub fn new(max: u16) -> Self {
        Self { last: 0, open: Vec::new(), ended: VecDeque::new(), max: usize::from(max).max(1), clock: 0 }
    }

    /// Whether such a stream has never been used (RFC 9113 section 5.1). Even ones are the server's, to push: Envoy does
    /// not, and where a server does, it is safe to take its client's connection for a broken one.
    pub fn is_idle(&self, id: u32) -> bool {
        id > self.last || (id != 0 && id.is_multiple_of(2))
    }

    pub fn is_open(&self, id: u32) -> bool {
        self.find(id).is_some()
    }

    pub fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub fn open(&mut self, id: u32) -> Option<&mut Open> {
        let at = self.find(id)?;
        self.clock += 1;
        let stream = &mut self.open[at];
        stream.touched = self.clock;
        Some(stream)
    }

    /// A new stream whose message starts at `offset`. If too many are open, the one that was idle for longest is forgotten:
    /// the server may have reset it, which is not seen here. What still comes on it is then refused.
    pub fn start(&mut self, id: u32, offset: u64, declared: Option<u64>) {
        self.last = id;
        if self.open.len() >= self.max
            && let Some(idle) = (0..self.open.len()).min_by_key(|n| self.open[*n].touched)
        {
            self.open.remove(idle);
        }
        self.clock += 1;
        self.open.push(Open { id, offset, body: 0, declared, touched: self.clock });
    }

    /// A new stream whose message is complete already.
    pub fn start_ended(&mut self, id: u32, offset: u64) {
        self.last = id;
        self.remember(id, offset);
    }

    /// The client has sent all of it; where its message starts, and octets of its content.
    pub fn end(&mut self, id: u32) -> Option<(u64, u64)> {
        let at = self.find(id)?;
        let Open { offset, body, .. } = self.open.remove(at);
        self.remember(id, offset);
        Some((offset, body))
    }

    /// The client has reset it; where its message starts, if it is still known.
    pub fn reset(&mut self, id: u32) -> Option<u64> {
        if let Some(at) = self.find(id) {
            return Some(self.open.remove(at).offset);
        }
        let at = self.ended.iter().rposition(|(ended, _)| *ended == id)?;
        self.ended.remove(at).map(|(_, offset)| offset)
    }

    pub fn heap(&self) -> usize {
        self.open.capacity() * size_of::<Open>() + self.ended.capacity() * size_of::<(u32, u64)>()
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.open.binary_search_by_key(&id, |stream| stream.id).ok()
    }

    fn remember(&mut self, id: u32, offset: u64) {
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, offset));
    }
}
