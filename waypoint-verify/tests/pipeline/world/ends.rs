//! Connections that end, and such as began before anyone looked.

use waypoint_verify::probe::{Closed, Other, Passage, Record, Side, Stray, TcpFlags};

use super::{Connection, FIN, RST, World};

impl World {
    /// Closed by a FIN after everything that was sent.
    pub fn close(&mut self, connection: &Connection) {
        let sent = u64::from(connection.sent);
        self.finish(connection, connection.sent, FIN);
        if connection.from != 0 {
            self.closed(connection, Side::Active, sent + 2);
        }
        self.closed(connection, Side::Passive, sent + 1);
    }

    /// As [`Self::close`], without a FIN: the kernel counts none.
    pub fn reset(&mut self, connection: &Connection) {
        let sent = u64::from(connection.sent);
        self.finish(connection, connection.sent, RST);
        if connection.from != 0 {
            self.closed(connection, Side::Active, sent + 1);
        }
        self.closed(connection, Side::Passive, sent);
    }

    /// `count`: what the kernel counted as received (passive) or acknowledged (active).
    pub fn closed(&mut self, connection: &Connection, side: Side, count: u64) {
        let (cookie, cgroup) = connection.socket(side);
        self.record(Record::Closed(Closed {
            ts: self.clock,
            cookie,
            cgroup,
            side,
            bytes_received: count,
            bytes_acked: count,
            snd_nxt: 0,
            rcv_nxt: 0,
            old_state: 9,
        }));
    }

    /// Payload on a connection whose opening was before the probes, at the socket of `cgroup`.
    pub fn stray(&mut self, cookie: u64, cgroup: u64, local: &str, remote: &str) {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        self.record(Record::Stray(Stray {
            ts: self.clock,
            cookie,
            cgroup,
            passage: Passage::In,
            local,
            remote,
            socket_local: local,
            socket_remote: remote,
            seq: 1,
            ack: 1,
            payload_len: 10,
            tcp_flags: TcpFlags(0x18),
            state: 1,
            unclassified: false,
        }));
    }

    /// A UDP socket of `cgroup` got something.
    pub fn datagram(&mut self, cgroup: u64, from: &str, to: &str, quic: bool) {
        self.record(Record::Other(Other {
            ts: self.clock,
            cookie: 8888,
            cgroup,
            protocol: 17,
            sock_type: 2,
            local: to.parse().unwrap(),
            remote: from.parse().unwrap(),
            quic,
            unclassified: false,
        }));
    }
}
