//! The Huffman code of RFC 7541, appendix B. It is canonical: codes of one length follow each other in the order of their
//! symbols, and shorter ones come first; so the lengths say all. A test compares it with another crate's table.

use super::Fault;

const EOS: u16 = 256;
const SYMBOLS: usize = 257;
const LONGEST: usize = 30;

#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

struct Code {
    /// Symbols in the order of their codes.
    order: [u16; SYMBOLS],
    /// By length: the first code, and where its symbol stands in `order`.
    first: [u32; LONGEST + 2],
    start: [u16; LONGEST + 2],
    /// By the next eight bits: symbol and length, length 0 where the code is longer than that.
    short: [(u8, u8); 256],
}

static CODE: Code = build();

#[expect(clippy::cast_possible_truncation, reason = "symbols of short codes are octets, indices are below 257")]
const fn build() -> Code {
    let mut code = Code { order: [0; SYMBOLS], first: [0; LONGEST + 2], start: [0; LONGEST + 2], short: [(0, 0); 256] };
    let (mut next, mut placed, mut length) = (0u32, 0usize, 1usize);
    while length <= LONGEST {
        next <<= 1;
        code.first[length] = next;
        code.start[length] = placed as u16;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.order[placed] = symbol as u16;
                placed += 1;
                if length <= 8 {
                    let mut low = 0;
                    while low < 1 << (8 - length) {
                        code.short[((next as usize) << (8 - length)) + low] = (symbol as u8, length as u8);
                        low += 1;
                    }
                }
                next += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    code.first[LONGEST + 1] = next << 1;
    code.start[LONGEST + 1] = placed as u16;
    code
}

/// Appends what `raw` stands for. At most eight octets come of five.
pub(super) fn decode(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = raw.iter();
    let (mut bits, mut have) = (0u64, 0u32);
    loop {
        while have <= 56
            && let Some(octet) = rest.next()
        {
            bits |= u64::from(*octet) << (56 - have);
            have += 8;
        }
        let (symbol, length) = match CODE.short[(bits >> 56) as usize] {
            (_, 0) => long(bits),
            (symbol, length) => (u16::from(symbol), u32::from(length)),
        };
        if length > have {
            break;
        }
        // RFC 7541 section 5.2: the end is never written out.
        out.push(u8::try_from(symbol).map_err(|_| Fault::Huffman)?);
        bits <<= length;
        have -= length;
    }
    // What is left are less than eight bits, the first ones of EOS, which are all ones.
    let ones = if have == 0 { 0 } else { !0u64 << (64 - have) };
    if have < 8 && bits == ones { Ok(()) } else { Err(Fault::Huffman) }
}

/// The code that `bits` begin with, of those with more than eight bits.
fn long(bits: u64) -> (u16, u32) {
    for length in 9..=LONGEST {
        let at = u32::try_from(bits >> (64 - length)).unwrap_or(u32::MAX) - CODE.first[length];
        let count = CODE.start[length + 1] - CODE.start[length];
        if at < u32::from(count) {
            return (CODE.order[usize::from(CODE.start[length]) + at as usize], length as u32);
        }
    }
    (EOS, LONGEST as u32)
}

#[cfg(test)]
mod tests;
