//! The state of one connection: what was received in order, what the peer has acknowledged, and the clock of its timestamps.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use etherparse::{TcpHeader, TcpOptionElement};

use super::link::{Link, Received};
use super::segment::Segment;
use super::{Open, RawTcp, Report, packet};

const WINDOW: u16 = 0xffff;

#[derive(Debug)]
pub(super) struct Connection {
    link: Link,
    patience: Duration,
    isn: u32,
    peer_isn: Option<u32>,
    open: bool,
    offer_timestamps: bool,
    syn_options: Vec<u8>,
    /// Milliseconds since `born` plus a base far from zero: so that an old timestamp is still a positive number.
    born: Instant,
    /// The peer's newest timestamp; none if it does not use them.
    peer_timestamp: Option<u32>,
    acked: i64,
    received: Vec<u8>,
    /// Octets that came before those in front of them, by offset.
    early: BTreeMap<usize, Vec<u8>>,
    fin: Option<usize>,
    resets: u32,
    fragment_id: u16,
}

impl Connection {
    pub(super) fn new(link: Link, script: &RawTcp) -> Self {
        let isn = script.isn.unwrap_or_else(|| RandomState::new().hash_one(link.local) as u32);
        Self {
            link,
            patience: Duration::from_millis(script.patience),
            isn,
            peer_isn: None,
            open: false,
            offer_timestamps: script.timestamps,
            syn_options: script.syn_options.clone(),
            born: Instant::now(),
            peer_timestamp: None,
            acked: 0,
            received: Vec::new(),
            early: BTreeMap::new(),
            fin: None,
            resets: 0,
            fragment_id: isn as u16,
        }
    }

    pub(super) fn open(&mut self, how: &Open) -> Result<()> {
        let data = match how {
            Open::None => return Ok(()),
            Open::WithData(data) => data.as_slice(),
            Open::Plain | Open::WithoutFinalAck => &[],
            Open::Simultaneous => {
                self.until("the peer's SYN", |c| c.peer_isn.is_some())?;
                &[]
            }
        };
        self.send(&Segment::new(-1, data).flags("S"))?;
        self.until("the answer to the SYN", |c| c.open || c.resets > 0)?;
        ensure!(self.open, "the peer refuses the connection");
        if *how == Open::WithoutFinalAck { Ok(()) } else { self.acknowledge() }
    }

    pub(super) fn send(&mut self, segment: &Segment) -> Result<()> {
        let flags = match (segment.flags.as_str(), segment.data.is_empty()) {
            ("", true) => "A",
            ("", false) => "PA",
            (flags, _) => flags,
        };
        let has = |flag| flags.contains(flag);
        let mut header = TcpHeader::new(
            self.link.local.port(),
            self.link.peer.port(),
            self.isn.wrapping_add(1).wrapping_add(segment.at as u32),
            segment.window.unwrap_or(WINDOW),
        );
        (header.syn, header.fin, header.rst) = (has('S'), has('F'), has('R'));
        (header.psh, header.ack, header.urg) = (has('P'), has('A'), has('U') || segment.urgent.is_some());
        header.urgent_pointer = segment.urgent.unwrap_or(0);
        if header.ack {
            header.acknowledgment_number = self.acknowledgement(segment.acknowledge);
        }
        let options = self.options(segment, header.syn)?;
        header.set_options_raw(&options)?;
        let (from, to): (IpAddr, IpAddr) = (segment.source.unwrap_or(self.link.local.ip()), self.link.peer.ip());
        self.fragment_id = self.fragment_id.wrapping_add(1);
        let tcp = packet::tcp(header, segment, from, to)?;
        packet::ip(&tcp, segment, from, to, self.fragment_id)?.iter().try_for_each(|packet| self.link.send(packet))
    }

    /// Takes what comes until this holds.
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        while !holds(self) {
            let Some(received) = self.link.receive(deadline)? else { bail!("{what} does not come") };
            self.take(&received)?;
        }
        Ok(())
    }

    pub(super) fn listen(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while let Some(received) = self.link.receive(deadline)? {
            self.take(&received)?;
        }
        Ok(())
    }

    pub(super) fn close(&mut self, at: i64) -> Result<()> {
        self.send(&Segment::new(at, []).flags("FA"))?;
        // The peer's own FIN may have come before, and then its acknowledgement is the end.
        self.until("the peer's end", |c| c.resets > 0 || (c.is_over() && c.acked > at))
    }

    pub(super) fn is_over(&self) -> bool {
        self.resets > 0 || self.fin.is_some_and(|end| self.received.len() >= end)
    }

    pub(super) fn acked(&self) -> i64 {
        self.acked
    }

    pub(super) fn received(&self) -> &[u8] {
        &self.received
    }

    pub(super) fn report(&self) -> Report {
        Report {
            local: Some(self.link.local),
            isn: self.isn,
            peer_isn: self.peer_isn.unwrap_or(0),
            open: self.open,
            acked: self.acked,
            answer: String::from_utf8_lossy(&self.received).into_owned(),
            resets: self.resets,
            fin: self.fin.is_some(),
        }
    }

    fn take(&mut self, segment: &Received) -> Result<()> {
        let Received { header, data } = segment;
        if header.rst {
            self.resets += 1;
            return Ok(());
        }
        if let Some(theirs) = timestamp(header)
            && self.offer_timestamps
        {
            self.peer_timestamp = Some(theirs);
        }
        if header.syn {
            self.peer_isn = Some(header.sequence_number);
            self.open |= header.ack;
            return Ok(());
        }
        if header.ack {
            let offset = header.acknowledgment_number.wrapping_sub(self.isn.wrapping_add(1)).cast_signed();
            self.acked = self.acked.max(offset.into());
            self.open |= offset >= 0;
        }
        let Some(peer_isn) = self.peer_isn else { return Ok(()) };
        let offset = header.sequence_number.wrapping_sub(peer_isn.wrapping_add(1)).cast_signed();
        // A keep-alive probe of the peer's is before everything.
        let Ok(offset) = usize::try_from(offset) else { return self.acknowledge() };
        if header.fin {
            self.fin = Some(offset + data.len());
        }
        if data.is_empty() && !header.fin {
            return Ok(());
        }
        self.early.insert(offset, data.clone());
        while let Some(entry) = self.early.first_entry() {
            let known = self.received.len();
            if *entry.key() > known {
                break;
            }
            let (offset, octets) = entry.remove_entry();
            self.received.extend(octets.iter().skip(known - offset));
        }
        self.acknowledge()
    }

    /// From where the peer stands, so that it is acceptable whatever else was sent.
    fn acknowledge(&mut self) -> Result<()> {
        self.send(&Segment::new(self.acked, []))
    }

    fn acknowledgement(&self, offset: Option<i64>) -> u32 {
        let Some(peer_isn) = self.peer_isn else { return 0 };
        let all = self.received.len() + usize::from(self.fin == Some(self.received.len()));
        let offset = offset.unwrap_or(all as i64);
        peer_isn.wrapping_add(1).wrapping_add(offset as u32)
    }

    fn options(&self, segment: &Segment, syn: bool) -> Result<Vec<u8>> {
        let mut elements = Vec::new();
        if syn {
            elements.push(TcpOptionElement::MaximumSegmentSize(1460));
        }
        let uses = if syn { self.offer_timestamps } else { self.peer_timestamp.is_some() };
        if uses && !segment.without_timestamp {
            let now = 1_000_000_000 + self.born.elapsed().as_millis() as i64;
            let value = (now + segment.timestamp_shift) as u32;
            elements.push(TcpOptionElement::Timestamp(value, self.peer_timestamp.unwrap_or(0)));
        }
        let mut encoded = TcpHeader::default();
        encoded.set_options(&elements)?;
        let mut options = encoded.options.as_slice().to_vec();
        if syn {
            options.extend_from_slice(&self.syn_options);
        }
        Ok(options)
    }
}

fn timestamp(header: &TcpHeader) -> Option<u32> {
    header.options_iterator().filter_map(Result::ok).find_map(|option| match option {
        TcpOptionElement::Timestamp(value, _) => Some(value),
        _ => None,
    })
}
