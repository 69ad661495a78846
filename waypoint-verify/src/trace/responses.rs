//! What the responses of a connection say of its requests.

use std::sync::Arc;

use super::{Directive, Machine, Tracer};
use crate::evidence::Evidence;
use crate::model::BootNs;
use crate::probe::{Data, Direction};
use crate::wire::{ResponseEvent, Segment, Which};

impl<M: Machine> Tracer<M> {
    pub(super) fn response_data(
        &mut self,
        cookie: u64,
        data: &Data<'_>,
        directives: &mut Vec<Directive>,
        out: &mut Vec<Evidence>,
    ) {
        let order = self.order;
        let settings = Arc::clone(&self.limits.wire);
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let mut events = std::mem::take(&mut self.events);
        socket.acknowledge(data.ack, order, &settings, &mut events);
        self.told(cookie, &mut events, data.ts, out);
        self.events = events;
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let Some(exchanges) = socket.exchanges(&settings) else { return };
        let mut responses = std::mem::take(&mut self.responses);
        exchanges.responses.segment(
            Segment {
                seq: data.seq,
                payload_len: data.payload_len,
                skipped: data.skipped,
                bytes: data.bytes,
                fin: data.tcp_flags.fin(),
                syn: false,
                urg: false,
            },
            order,
            &mut responses,
        );
        if let Some(until) = exchanges.responses.grant() {
            directives.push(Directive::Grant { cookie, direction: Direction::Response, until });
        }
        if self.charge(cookie)
            && let Some(exchanges) = self.sockets.get_mut(&cookie).and_then(|socket| socket.exchanges.as_mut())
        {
            exchanges.responses.shed(&mut responses);
            self.counters.shed_streams += 1;
            self.charge(cookie);
        }
        self.responded(cookie, &mut responses, data.ts);
        self.responses = responses;
    }

    /// What the responses of a connection say of its requests.
    pub(super) fn responded(&mut self, cookie: u64, responses: &mut Vec<ResponseEvent>, ns: BootNs) {
        let Some(socket) = self.sockets.get_mut(&cookie) else {
            responses.clear();
            return;
        };
        for response in responses.drain(..) {
            match response {
                ResponseEvent::Answered { which: Which::Nth(index), switched: false, .. } => {
                    let key = socket.exchanges.as_ref().and_then(|exchanges| {
                        exchanges.open.get(usize::try_from(index.checked_sub(exchanges.first)?).ok()?).copied()
                    });
                    if let Some(key) = key {
                        socket.no_switch(key.offset);
                    }
                }
                ResponseEvent::Answered { .. } | ResponseEvent::Unknown { .. } => {}
                // No HTTP/2 stream is followed into the link yet: its exchange stays open until the connection closes.
                ResponseEvent::Ended { which: Which::Stream(_), .. } => {}
                ResponseEvent::Ended { which: Which::Nth(index), .. } => {
                    let Some(container) = socket.container().cloned() else { continue };
                    let Some(exchanges) = socket.exchanges.as_mut() else { continue };
                    while exchanges.first <= index {
                        let Some(key) = exchanges.open.pop_front() else { break };
                        exchanges.first += 1;
                        if let Some(linker) = self.instances.linker(&container) {
                            linker.answered(key, ns);
                        }
                    }
                }
            }
        }
    }
}
