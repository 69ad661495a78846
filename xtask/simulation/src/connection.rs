//! A connection between two places: opened when it is needed, closed after so many requests.

use std::net::SocketAddr;
use std::sync::Arc;

use waypoint_verify::evidence::{End, Evidence};
use waypoint_verify::model::{BootNs, ConnKey, MessageKey, Owner, Process, Side};

use crate::traffic::{Observed, Random};
use crate::world::Place;

#[derive(Debug)]
pub struct Connection {
    open: Option<Open>,
    requests: u32,
}

#[derive(Debug)]
struct Open {
    conn: ConnKey,
    local: SocketAddr,
    offset: u64,
    left: u32,
}

/// Its two ends: who dials, who accepts, and at what address.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    pub from: &'a Place,
    pub to: &'a Place,
    pub comm: &'a str,
    pub remote: SocketAddr,
}

impl Connection {
    /// `requests`: so many run over it before it is closed, and another one is opened.
    pub fn new(requests: u32) -> Self {
        Self { open: None, requests }
    }

    /// The next message on it, of so many octets; and the address that its accepting end sees.
    pub fn next(
        &mut self,
        between: Between<'_>,
        octets: u64,
        at: BootNs,
        random: &mut Random,
        out: &mut Observed,
    ) -> (MessageKey, SocketAddr) {
        if let Some(Open { conn, left: 0, .. }) = &self.open {
            out.push(between.from.agent, Evidence::Closed { conn: *conn, side: Side::Active });
            out.push(between.to.agent, Evidence::Closed { conn: *conn, side: Side::Passive });
            self.open = None;
        }
        let requests = self.requests;
        let open = self.open.get_or_insert_with(|| open(between, requests, at, random, out));
        let key = MessageKey { conn: open.conn, offset: open.offset, stream: 0 };
        open.offset += octets;
        open.left -= 1;
        (key, open.local)
    }
}

fn open(between: Between<'_>, left: u32, at: BootNs, random: &mut Random, out: &mut Observed) -> Open {
    let Between { from, to, comm, remote } = between;
    let [client_isn, server_isn] = random.halves();
    let conn = ConnKey { client_isn, server_isn };
    let port = 32_768 + u16::try_from(client_isn % 28_000).unwrap_or(0);
    let local = SocketAddr::from((from.address, port));
    let owner = |place: &Place| Owner::Container(Arc::clone(&place.container));
    let process = Some(Process { pid: 1000 + u32::from(from.address[3]), comm: comm.to_owned() });
    let active = End { owner: owner(from), process, local, remote, at };
    let passive = End { owner: owner(to), process: None, local: remote, remote: local, at };
    out.push(from.agent, Evidence::Opened { conn, side: Side::Active, end: Arc::new(active) });
    out.push(to.agent, Evidence::Opened { conn, side: Side::Passive, end: Arc::new(passive) });
    Open { conn, local, offset: 0, left }
}
