//! Data that is read before its opening: deferred accept, Fast Open, or an opening on another CPU a hair later.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::probe::{Data, Opened};

/// One held record.
#[derive(Clone, Debug)]
pub struct Held {
    data: Data<'static>,
    bytes: Vec<u8>,
    order: u64,
    drains: u8,
}

impl Held {
    pub fn as_data(&self) -> Data<'_> {
        Data { bytes: &self.bytes, ..self.data }
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

/// Records and octets that are held at most; beyond it the oldest is treated as never placed.
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
        let owned = Data { bytes: &[], ..*data };
        self.held.push_back(Held { data: owned, bytes: data.bytes.to_vec(), order, drains: 0 });
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
        for held in &mut self.held {
            held.drains += 1;
        }
        let mut gone = Vec::new();
        while let Some(held) = self.held.front() {
            if held.drains <= DRAINS && self.held.len() <= RECORDS && self.octets <= OCTETS {
                break;
            }
            let Some(held) = self.held.pop_front() else { break };
            self.octets -= held.bytes.len();
            let Data { cookie, local, remote, cgroup, .. } = held.data;
            gone.push((Place { cookie, local, remote, cgroup }, held));
        }
        gone
    }
}
