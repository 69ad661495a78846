//! What TCP will drop of what it is about to get: the programs see a packet before TCP has looked at it.
//!
//! If TCP took a segment that was dropped here, and nothing stands in its place, it will acknowledge more than was followed,
//! and that is a gap. But where other octets stand in its place, TCP throws *these* away, and acknowledges as much. So a
//! segment is dropped for good only where it is certain (it is old, too far ahead, or without ACK); else it is doubtful, and
//! disputed by what differs from it. Doubtful are a wrong checksum (TCP does not look at those of packets that a packet
//! socket says to be checked or still to be summed, with `PACKET_VNET_HDR`) and an old timestamp (TCP notes the newest
//! only up to what it has acknowledged, with an acceptable acknowledgement, and none where the handshake had none).
//! What TCP drops and this does not know of (a forbidden acknowledgement, an urgent pointer, a window that is full) is
//! followed, and disputed by what comes in its place. So what is here need not be complete; it keeps one who injects
//! segments that nobody takes from making a connection unreadable.

use std::net::IpAddr;

use crate::probe::Data;
use crate::wire::Segment;

/// Why TCP will drop a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The checksum is wrong.
    Checksum,
    /// No ACK, or a SYN or RST where a segment with payload has none.
    Flags,
    /// It has all of this already (a keep-alive probe, a segment that was sent twice).
    Old,
    /// No receive window reaches so far.
    FarAhead,
    /// Its timestamp is older than the last one that was taken (RFC 7323, section 5).
    Timestamp,
}

impl Dropped {
    /// TCP may take it all the same.
    pub fn is_doubtful(self) -> bool {
        matches!(self, Self::Checksum | Self::Timestamp)
    }
}

/// Beyond any receive window (`net.ipv4.tcp_rmem` allows 6 MiB by default).
const FARTHEST: i32 = 64 << 20;

/// What one socket that accepted goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admission {
    /// The newest timestamp of what should have moved TCP's own (`ts_recent`).
    newest: Option<u32>,
}

impl Admission {
    /// `tsval`: the client's timestamp in the handshake's last packet.
    pub fn new(tsval: Option<u32>) -> Self {
        Self { newest: tsval }
    }

    /// What TCP can take of this packet.
    ///
    /// # Errors
    /// If that is nothing.
    pub fn admit<'a>(&mut self, data: &Data<'a>) -> Result<Segment<'a>, Dropped> {
        if !checksum_fits(data) {
            return Err(Dropped::Checksum);
        }
        let flags = data.tcp_flags;
        // A SYN carries payload only before there is a connection: then the listener owns it.
        let opening = data.rcv_nxt.is_none();
        if flags.rst() || (flags.syn() && !opening) || (!flags.ack() && !flags.syn()) {
            return Err(Dropped::Flags);
        }
        let tsval = timestamp(data.header);
        if let (Some(newest), Some(tsval)) = (self.newest, tsval)
            && newest.wrapping_sub(tsval).cast_signed() > 0
        {
            return Err(Dropped::Timestamp);
        }
        let whole = segment(data);
        let Some(next) = data.rcv_nxt else { return Ok(whole) };
        // What the program read of the socket may lag behind, never run ahead: TCP has what comes before it.
        let ahead = data.seq.wrapping_sub(next).cast_signed();
        if ahead > FARTHEST {
            return Err(Dropped::FarAhead);
        }
        if ahead <= 0 {
            self.newest = tsval.or(self.newest);
        }
        let old = ahead.min(0).unsigned_abs();
        if old > data.payload_len || (old == data.payload_len && !flags.fin()) {
            return Err(Dropped::Old);
        }
        Ok(without(old, whole))
    }
}

/// All of a packet.
pub fn segment<'a>(data: &Data<'a>) -> Segment<'a> {
    Segment {
        seq: data.seq,
        payload_len: data.payload_len,
        skipped: data.skipped,
        bytes: data.bytes,
        fin: data.tcp_flags.fin(),
        // The programs have already added the SYN's own number.
        syn: false,
        urg: data.tcp_flags.urg(),
    }
}

fn without(old: u32, segment: Segment<'_>) -> Segment<'_> {
    let copied = usize::try_from(old.saturating_sub(segment.skipped)).unwrap_or(usize::MAX);
    Segment {
        seq: segment.seq.wrapping_add(old),
        payload_len: segment.payload_len - old,
        skipped: segment.skipped.saturating_sub(old),
        bytes: segment.bytes.get(copied..).unwrap_or_default(),
        ..segment
    }
}

/// Whether the checksum is right, or not made yet: within a machine a packet carries only the sum of its
/// pseudo-header, for a network card that it never meets (`CHECKSUM_PARTIAL`). What was not copied whole is believed.
fn checksum_fits(data: &Data<'_>) -> bool {
    let Some(field) = data.header.get(16..18) else { return true };
    if data.bytes.len() != data.payload_len as usize {
        return true;
    }
    let pseudo = pseudo_header(data);
    let field = u64::from(field[0]) << 8 | u64::from(field[1]);
    fold(pseudo) % 0xffff == field % 0xffff || fold(pseudo + sum(data.header) + sum(data.bytes)) == 0xffff
}

fn pseudo_header(data: &Data<'_>) -> u64 {
    const TCP: u64 = 6;
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => sum(&ip.octets()),
        IpAddr::V6(ip) => sum(&ip.octets()),
    };
    // BIG TCP has more than 16 bits of it.
    let len = (data.header.len() + data.bytes.len()) as u64;
    address(data.local.ip()) + address(data.remote.ip()) + TCP + (len >> 16) + (len & 0xffff)
}

/// Of words of 16 bits, in network order; an odd octet is the upper half of one. Not folded.
fn sum(octets: &[u8]) -> u64 {
    let words = octets.chunks_exact(4);
    let mut rest = [0; 4];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    let word = |word: &[u8]| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    // 2^16 is 1 here, so words of 32 bits do as well. Payloads have far fewer than 2^32 of them.
    words.map(word).sum::<u64>() + word(&rest)
}

fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum
}

/// The sender's timestamp, of a TCP header; the last one where there are two, as Linux reads them.
fn timestamp(header: &[u8]) -> Option<u32> {
    const END: u8 = 0;
    const PADDING: u8 = 1;
    const TIMESTAMP: u8 = 8;
    let mut options = header.get(20..)?;
    let mut found = None;
    loop {
        match *options {
            [] | [END, ..] => return found,
            [PADDING, ref rest @ ..] => options = rest,
            [kind, len, ..] => {
                // Of a length that cannot be, Linux reads no further.
                let len = usize::from(len);
                let (Some(option), Some(rest)) = (options.get(..len).filter(|_| len >= 2), options.get(len..)) else {
                    return found;
                };
                if let (TIMESTAMP, &[_, _, a, b, c, d, _, _, _, _]) = (kind, option) {
                    found = Some(u32::from_be_bytes([a, b, c, d]));
                }
                options = rest;
            }
            [_] => return found,
        }
    }
}

#[cfg(test)]
mod tests;
