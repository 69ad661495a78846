//! Requests of one connection that wait for the end of their response.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::MessageKey;
use crate::wire::{Asked, ResponseEvent, ResponseStream, Settings, Which};

#[derive(Debug)]
pub struct Exchanges {
    pub responses: ResponseStream,
    /// HTTP/1: answered in this order; the front has index `first`.
    nth: VecDeque<MessageKey>,
    first: u64,
    /// HTTP/2: by stream. Made when there is one.
    streams: Option<Box<FxHashMap<u32, MessageKey>>>,
}

impl Exchanges {
    pub fn new(server_isn: u32, settings: &Arc<Settings>) -> Self {
        let responses = ResponseStream::new(server_isn, settings);
        Self { responses, nth: VecDeque::new(), first: 0, streams: None }
    }

    /// At a socket behind which nothing departs: only a change of the protocol matters, so that nearly nothing of HTTP/2
    /// need be copied.
    pub fn without_ends(self) -> Self {
        Self { responses: self.responses.without_ends(), ..self }
    }

    pub fn asked(&mut self, key: MessageKey, asked: Asked, out: &mut Vec<ResponseEvent>) {
        match key.stream {
            0 => self.nth.push_back(key),
            stream => self.open(stream, key),
        }
        self.responses.request(asked, key.stream, out);
    }

    pub fn get(&self, which: Which) -> Option<MessageKey> {
        match which {
            Which::Nth(index) => self.nth.get(usize::try_from(index.checked_sub(self.first)?).ok()?).copied(),
            Which::Stream(stream) => self.streams.as_ref()?.get(&stream).copied(),
        }
    }

    /// The response of this request has ended, and in HTTP/1 those of all before it.
    pub fn ended(&mut self, which: Which, mut tell: impl FnMut(MessageKey)) {
        match which {
            Which::Nth(index) => {
                while self.first <= index {
                    let Some(key) = self.nth.pop_front() else { break };
                    self.first += 1;
                    tell(key);
                }
                if self.nth.is_empty() {
                    // Most connections are idle most of the time.
                    self.nth = VecDeque::new();
                }
            }
            Which::Stream(stream) => self.close(stream).into_iter().for_each(tell),
        }
    }

    /// The request was answered by a change to HTTP/2: its response comes on stream 1 (RFC 7540 section 3.2).
    pub fn upgraded(&mut self, key: MessageKey) {
        self.open(1, key);
    }

    /// Its sender gave it up, and its receiver knows.
    pub fn reset(&mut self, stream: u32) {
        self.close(stream);
    }

    fn open(&mut self, stream: u32, key: MessageKey) {
        if self.responses.tells_ends() {
            self.streams.get_or_insert_default().insert(stream, key);
        }
    }

    fn close(&mut self, stream: u32) -> Option<MessageKey> {
        self.streams.as_mut()?.remove(&stream)
    }

    pub fn memory(&self) -> usize {
        let keys = self.nth.capacity() + self.streams.as_ref().map_or(0, |streams| streams.capacity());
        size_of::<Self>() + keys * size_of::<MessageKey>() + self.responses.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConnKey;

    #[test]
    fn a_stream_is_remembered_only_where_its_end_is_told() {
        let key = MessageKey { conn: ConnKey { client_isn: 1, server_isn: 2 }, offset: 3, stream: 5 };
        let new = || Exchanges::new(2, &Arc::new(Settings::default()));
        for (mut exchanges, remembered) in [(new(), Some(key)), (new().without_ends(), None)] {
            exchanges.asked(key, Asked::Other, &mut Vec::new());
            assert_eq!(exchanges.get(Which::Stream(5)), remembered);
        }
    }
}
