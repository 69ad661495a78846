//! Integers and strings (RFC 7541 section 5).

use std::ops::Range;

use super::{Fault, huffman};

/// Octets that may follow a full prefix: values up to 2^28, more than any frame holds. Longer ones are refused (section 5.1
/// leaves the limit to the decoder).
const MAX_OCTETS: u32 = 4;

/// What is left of a header block.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

/// Where a string lies: in the block itself, or in the decoded text.
pub(super) enum Text<'a> {
    Raw(&'a [u8]),
    Decoded(Range<usize>),
}

impl<'a> Text<'a> {
    pub fn of(&self, decoded: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Raw(raw) => raw,
            Self::Decoded(range) => &decoded[range.clone()],
        }
    }
}

impl<'a> Reader<'a> {
    /// The integer in the low `prefix` bits of the next octet and those that follow it.
    pub fn integer(&mut self, prefix: u32) -> Result<usize, Fault> {
        let mask = (1usize << prefix) - 1;
        let mut value = usize::from(self.octet()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for n in 0..MAX_OCTETS {
            let octet = self.octet()?;
            value += usize::from(octet & 0x7f) << (7 * n);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Integer)
    }

    /// A string; if it is in Huffman code it is appended to `decoded`.
    pub fn string(&mut self, decoded: &mut Vec<u8>) -> Result<Text<'a>, Fault> {
        let coded = self.peek()? & 0x80 != 0;
        let length = self.integer(7)?;
        let (raw, rest) = self.rest.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.rest = rest;
        if !coded {
            return Ok(Text::Raw(raw));
        }
        let start = decoded.len();
        huffman::decode(raw, decoded)?;
        Ok(Text::Decoded(start..decoded.len()))
    }

    pub fn peek(&self) -> Result<u8, Fault> {
        self.rest.first().copied().ok_or(Fault::Truncated)
    }

    fn octet(&mut self) -> Result<u8, Fault> {
        let (octet, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(*octet)
    }
}
