//! Data that is read before its opening: deferred accept, Fast Open, or an opening on another CPU a hair later.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::fair;
use crate::probe::{Data, Opened};

/// One held record.
#[derive(Clone, Debug)]
pub struct Held {
    data: Data<'static>,
    bytes: Vec<u8>,
    header: Vec<u8>,
    order: u64,
    drains: u8,
}

impl Held {
    pub fn as_data(&self) -> Data<'_> {
        Data { bytes: &self.bytes, header: &self.header, ..self.data }
    }
}

/// What names the socket of a held record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub cookie: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub cgroup: u64,
}

/// Records and octets that are held at most; beyond it the oldest of the owner that has most is treated as never
/// placed.
const RECORDS: usize = 4096;
const OCTETS: usize = 4 << 20;
/// Drains after which an opening will not come any more.
const DRAINS: u8 = 8;

#[derive(Debug, Default)]
pub struct Early {
    held: VecDeque<Held>,
    octets: usize,
}

impl Early {
    pub fn hold(&mut self, data: &Data<'_>, order: u64) {
        self.octets += data.bytes.len();
        let owned = Data { bytes: &[], header: &[], ..*data };
        let (bytes, header) = (data.bytes.to_vec(), data.header.to_vec());
        self.held.push_back(Held { data: owned, bytes, header, order, drains: 0 });
    }

    /// The records of the connection that has just opened, in order.
    pub fn take(&mut self, opened: &Opened) -> Vec<Held> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let first = opened.client_isn.wrapping_add(1);
        let belongs = |held: &Held| {
            let data = &held.data;
            if data.listener_owned {
                let same_way = data.local == opened.local && data.remote == opened.remote;
                same_way && data.seq == first && (data.ack == 0 || data.ack == opened.server_isn.wrapping_add(1))
            } else {
                data.cookie == opened.cookie
            }
        };
        let (mut taken, kept): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(belongs);
        self.octets = kept.iter().map(|held| held.bytes.len()).sum();
        self.held = kept.into();
        taken.sort_by_key(|held| held.order);
        taken
    }

    /// After a drain: what has waited for too long, or is too much.
    pub fn expire(&mut self) -> Vec<(Place, Held)> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let mut owners: FxHashMap<u64, (usize, usize)> = FxHashMap::default();
        for held in &mut self.held {
            held.drains += 1;
            let (records, octets) = owners.entry(held.data.cgroup).or_default();
            *records += 1;
            *octets += held.bytes.len();
        }
        let (mut records, mut octets) = (usize::MAX, usize::MAX);
        if self.held.len() > RECORDS || self.octets > OCTETS {
            records = fair::cap(owners.values().map(|(records, _)| *records).collect(), RECORDS);
            octets = fair::cap(owners.values().map(|(_, octets)| *octets).collect(), OCTETS);
        }
        let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(self.held.len()));
        for held in self.held.drain(..) {
            let of_owner = owners.entry(held.data.cgroup).or_default();
            if held.drains <= DRAINS && of_owner.0 <= records && of_owner.1 <= octets {
                kept.push_back(held);
                continue;
            }
            *of_owner = (of_owner.0 - 1, of_owner.1 - held.bytes.len());
            self.octets -= held.bytes.len();
            let Data { cookie, local, remote, cgroup, .. } = held.data;
            gone.push((Place { cookie, local, remote, cgroup }, held));
        }
        self.held = kept;
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Direction, Side, TcpFlags};

    fn data(cgroup: u64, cookie: u64, bytes: &[u8]) -> Data<'_> {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        Data {
            ts: 0,
            cookie,
            cgroup,
            direction: Direction::Request,
            side: Side::Passive,
            seq: 1,
            ack: 1,
            rcv_nxt: None,
            payload_len: u32::try_from(bytes.len()).unwrap(),
            skipped: 0,
            bytes,
            header: &[],
            tcp_flags: TcpFlags(0x18),
            local: any,
            remote: any,
            listener_owned: true,
            truncated: false,
            copy_failed: false,
            unclassified: false,
            over_budget: false,
        }
    }

    #[test]
    fn a_flood_of_one_owner_does_not_push_out_what_another_waits_with() {
        let mut early = Early::default();
        early.hold(&data(1, 1, b"waits"), 1);
        for order in 0..10_000 {
            early.hold(&data(2, 2, &[0; 1000]), 2 + order);
        }
        let gone = early.expire();
        assert!(gone.iter().all(|(place, _)| place.cgroup == 2));
        assert_eq!(gone.len(), 10_001 - early.held.len());
        assert!(early.held.len() <= RECORDS && early.octets <= OCTETS);
        assert_eq!(early.octets, early.held.iter().map(|held| held.bytes.len()).sum::<usize>());
        assert!(early.held.iter().any(|held| held.data.cgroup == 1));
        // The oldest go first.
        assert!(early.held.iter().filter(|held| held.data.cgroup == 2).all(|held| held.order > 5000));
        for _ in 0..DRAINS {
            early.expire();
        }
        assert!(early.held.is_empty() && early.octets == 0, "nothing waits for ever");
    }

    /// Rows: what is changed in a record that belongs to the opening, and whether it still does.
    #[test]
    fn data_before_an_opening_belongs_to_it_by_all_that_names_a_connection() {
        type Change = fn(&mut Data<'_>);
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let opened = Opened {
            ts: 0,
            cookie: 7,
            cgroup: 1,
            side: Side::Passive,
            local: at(80),
            remote: at(4000),
            client_isn: u32::MAX,
            server_isn: 41,
            tsval: None,
            mptcp: false,
        };
        let of_listener = Data { seq: 0, ack: 42, local: at(80), remote: at(4000), ..data(1, 99, b"GET") };
        let of_socket = Data { cookie: 7, listener_owned: false, ..of_listener };
        let rows: [(&str, Data<'_>, Change, bool); 10] = [
            ("the listener's", of_listener, |_| {}, true),
            ("with Fast Open nothing is acknowledged", of_listener, |data| data.ack = 0, true),
            ("of another connection of these addresses", of_listener, |data| data.seq = 1, false),
            ("which another server's number answered", of_listener, |data| data.ack = 43, false),
            ("of another port", of_listener, |data| data.remote.set_port(4001), false),
            ("to another port", of_listener, |data| data.local.set_port(81), false),
            ("the cookie is the listener's", of_listener, |data| data.cookie = 7, true),
            ("the socket's own", of_socket, |_| {}, true),
            ("later octets of it", of_socket, |data| data.seq = 500, true),
            ("another socket's", of_socket, |data| data.cookie = 8, false),
        ];
        for (what, mut data, change, belongs) in rows {
            change(&mut data);
            let mut early = Early::default();
            early.hold(&of_socket, 9);
            early.hold(&data, 3);
            let orders: Vec<u64> = early.take(&opened).iter().map(|held| held.order).collect();
            assert_eq!(orders, if belongs { vec![3, 9] } else { vec![9] }, "{what}");
            assert_eq!((early.held.len(), early.octets), if belongs { (0, 0) } else { (1, 3) }, "{what}");
        }
    }

    #[test]
    fn what_is_within_the_bounds_waits_for_eight_drains() {
        let mut early = Early::default();
        early.hold(&data(1, 1, b"first"), 1);
        (2..=RECORDS as u64).for_each(|order| early.hold(&data(1, 1, b""), order));
        for _ in 0..DRAINS {
            assert_eq!(early.expire().len(), 0, "as many as may be");
        }
        let gone = early.expire();
        assert_eq!((gone.len(), gone[0].1.as_data().bytes), (RECORDS, &b"first"[..]));
        assert_eq!(gone[0].0.cookie, 1);
        let large = vec![0; OCTETS];
        early.hold(&data(1, 1, &large), 1);
        assert_eq!(early.expire().len(), 0, "as much as may be");
        early.hold(&data(1, 1, b"x"), 2);
        assert_eq!(early.expire().len(), 1);
        assert_eq!((early.held.len(), early.octets), (1, 1));
    }
}
