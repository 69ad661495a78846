//! An established connection with its two sockets, and the records that each would make.

use std::net::SocketAddr;

use waypoint_verify::probe::{Data, Direction, Opened, Side, TcpFlags};

/// An established connection with its two sockets.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub client: u64,
    pub server: u64,
    pub from: u64,
    pub to: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub server_local: SocketAddr,
    pub client_isn: u32,
    pub server_isn: u32,
    pub sent: u32,
    pub answered: u32,
}

impl Connection {
    /// Cookie and cgroup of one end.
    pub fn socket(&self, side: Side) -> (u64, u64) {
        match side {
            Side::Active => (self.client, self.from),
            Side::Passive => (self.server, self.to),
        }
    }

    pub fn opened(&self, ts: u64, side: Side) -> Opened {
        let (cookie, cgroup, local, remote) = match side {
            Side::Active => (self.client, self.from, self.local, self.remote),
            Side::Passive => (self.server, self.to, self.server_local, self.local),
        };
        Opened {
            ts,
            cookie,
            cgroup,
            side,
            local,
            remote,
            client_isn: self.client_isn,
            server_isn: self.server_isn,
            tsval: None,
            mptcp: false,
        }
    }

    pub fn data<'a>(&self, ts: u64, side: Side, direction: Direction, seq: u32, ack: u32, bytes: &'a [u8]) -> Data<'a> {
        let (cookie, cgroup) = self.socket(side);
        Data {
            ts,
            cookie,
            cgroup,
            direction,
            side,
            seq,
            ack,
            rcv_nxt: None,
            payload_len: u32::try_from(bytes.len()).unwrap(),
            skipped: 0,
            bytes,
            header: &[],
            tcp_flags: TcpFlags(0x18),
            local: self.local,
            remote: self.remote,
            listener_owned: false,
            truncated: false,
            copy_failed: false,
            unclassified: false,
            over_budget: false,
        }
    }
}
