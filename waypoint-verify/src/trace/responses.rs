//! What the responses of a connection say of its requests.

use std::sync::Arc;

use super::{Directive, Machine, Tracer, admit};
use crate::evidence::Evidence;
use crate::model::BootNs;
use crate::probe::{Data, Direction};
use crate::wire::{ResponseEvent, Switch, Which};

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
        exchanges.responses.segment(admit::segment(data), order, &mut responses);
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
        for response in responses.drain(..) {
            match response {
                ResponseEvent::Answered { which, switched, .. } => self.answered(cookie, which, switched, ns),
                ResponseEvent::Ended { which, .. } => self.over(cookie, which, ns),
                ResponseEvent::Unknown { .. } => {}
            }
        }
    }

    /// The head of a final response: does the connection go on with another protocol?
    fn answered(&mut self, cookie: u64, which: Which, switched: bool, ns: BootNs) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let Some(key) = socket.exchanges.as_ref().and_then(|exchanges| exchanges.get(which)) else { return };
        let (conn, to_http2) = (socket.conn, socket.switch == Some(Switch::H2c));
        socket.resolve(key.offset, switched);
        // The end that dialled reads the answer before it writes anything that follows.
        if let Some((dialled, _)) = self.switching.get(&conn).copied().filter(|(_, offset)| *offset == key.offset) {
            self.switching.remove(&conn);
            if let Some(socket) = self.sockets.get_mut(&dialled) {
                socket.resolve(key.offset, switched);
            }
        }
        if !switched {
            return;
        }
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if let Some(exchanges) = socket.exchanges.as_mut().filter(|_| to_http2) {
            return exchanges.upgraded(key);
        }
        self.counters.tunnels += u64::from(socket.is_arrival());
        if socket.switch == Some(Switch::Connect) {
            // A WebSocket stays on the connection of its handshake; a CONNECT becomes one of its own, with the client's octets.
            let container = socket.container().cloned().filter(|_| socket.is_entry());
            if let Some(linker) = container.and_then(|container| self.instances.linker(&container)) {
                linker.tunnel(conn, self.order);
            }
            return;
        }
        // No other attempt of it follows an answer like this, however long the tunnel stays.
        self.over(cookie, which, ns);
    }

    fn over(&mut self, cookie: u64, which: Which, ns: BootNs) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let container = socket.container().cloned().filter(|_| socket.is_entry());
        let Some(exchanges) = socket.exchanges.as_mut() else { return };
        let mut linker = container.as_ref().and_then(|container| self.instances.linker(container));
        exchanges.ended(which, |key| {
            if let Some(linker) = linker.as_deref_mut() {
                linker.answered(key, ns);
            }
        });
    }
}
