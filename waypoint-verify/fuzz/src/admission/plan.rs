//! What a fuzzer's octets mean: the packets that come to one socket.

use std::ops::Range;

use arbitrary::{Arbitrary, Result, Unstructured};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The timestamp of the handshake.
    pub tsval: Option<u32>,
    /// What the receiver expects next; `None`: it has not accepted yet.
    pub next: Option<u32>,
    pub packets: Vec<Packet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub v6: bool,
    pub seq: u32,
    pub ack: u32,
    /// FIN, SYN, RST, PSH, ACK, URG from the lowest bit on.
    pub flags: u8,
    /// In words of four octets.
    pub options: Vec<u8>,
    /// Never empty: no record is made of a packet without.
    pub payload: Vec<u8>,
    /// Octets of the payload in front and behind that were not copied.
    pub skipped: usize,
    pub cut: usize,
    /// Its header was not copied.
    pub headless: bool,
    pub sum: Sum,
    /// The receiver has it now.
    pub moves: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub enum Sum {
    Right,
    /// Left to a network card.
    Partial,
    /// The right one, XORed.
    Other(u16),
}

impl Packet {
    /// Which octets of the payload were copied.
    pub fn shown(&self) -> Range<usize> {
        let start = self.skipped.min(self.payload.len());
        start..self.payload.len().saturating_sub(self.cut).max(start)
    }
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let tsval: Option<u32> = u.arbitrary()?;
        let next: Option<u32> = u.arbitrary()?;
        let mut packets = Vec::new();
        while !u.is_empty() && packets.len() < 16 {
            packets.push(packet(u, tsval.unwrap_or(0), next.unwrap_or(0))?);
        }
        Ok(Self { tsval, next, packets })
    }
}

/// Around these numbers, so that most of what is told is near what is expected.
fn packet(u: &mut Unstructured<'_>, tsval: u32, next: u32) -> Result<Packet> {
    let near = |u: &mut Unstructured<'_>, number: u32| -> Result<u32> {
        Ok(match u.int_in_range(0..=3)? {
            0 => number,
            1 => number.wrapping_add_signed(i32::from(u.arbitrary::<i8>()?)),
            2 => number.wrapping_add_signed(u.arbitrary()?),
            _ => u.arbitrary()?,
        })
    };
    const ACK: u8 = 0x10;
    let stamp = near(u, tsval)?;
    Ok(Packet {
        v6: u.arbitrary()?,
        seq: near(u, next)?,
        ack: u.arbitrary()?,
        flags: if u.ratio(3, 4)? { ACK } else { u.arbitrary::<u8>()? & 0x3f },
        options: options(u, stamp)?,
        payload: {
            let len = u.int_in_range(1..=40)?;
            let step: u8 = u.arbitrary()?;
            (0..len).map(|n| step.wrapping_mul(n).wrapping_add(step)).collect()
        },
        skipped: if u.ratio(3, 4)? { 0 } else { u.int_in_range(0..=40)? },
        cut: if u.ratio(3, 4)? { 0 } else { u.int_in_range(0..=40)? },
        headless: u.ratio(1, 8)?,
        sum: u.arbitrary()?,
        moves: u.arbitrary()?,
    })
}

fn options(u: &mut Unstructured<'_>, tsval: u32) -> Result<Vec<u8>> {
    let mut options = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        match u.int_in_range(0..=5)? {
            0 => options.push(1),
            1 => options.extend([2, 4, 5, 0xb4]),
            2 => {
                options.extend([8, 10]);
                options.extend(tsval.to_be_bytes());
                options.extend([0; 4]);
            }
            // A kind that only some know.
            3 => options.extend([30, 4, 0, 0]),
            4 => options.extend([4, 2]),
            _ => options.extend(u.bytes(u.len().min(3))?),
        }
    }
    options.truncate(40);
    // What is added is "no operation", so that the last option is read as it was written.
    options.resize(options.len().next_multiple_of(4), 1);
    Ok(options)
}
