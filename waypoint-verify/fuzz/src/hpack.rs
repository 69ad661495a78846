//! HPACK, against `loona-hpack`.
//!
//! What the program reads the other decoder must read too, field for field, over several blocks of one connection; where it
//! refuses, nothing is claimed, unless the blocks were made of instructions that are right.

use arbitrary::{Arbitrary, Result as Drawn, Unstructured};
use waypoint_verify::wire::fuzzing::Hpack;

use crate::{Disagreement, demand, settle};

/// Name and value.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A decoder of header blocks; a test puts a wrong one in its place.
pub trait Decoder {
    fn decode(&mut self, block: &[u8]) -> Result<Fields, String>;
    /// Octets that are held.
    fn heap(&self) -> usize;
}

impl Decoder for Hpack {
    fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        Hpack::decode(self, block)
    }

    fn heap(&self) -> usize {
        Hpack::heap(self)
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub blocks: Vec<Vec<u8>>,
    /// Every block is one that an encoder may write.
    pub right: bool,
}

/// Of the header table, as both ends start with it, and as large as its sender may make it.
pub const TABLE: u32 = 4096;

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    settle(compare(&plan, &mut Hpack::new(TABLE)));
}

pub fn compare(plan: &Plan, ours: &mut impl Decoder) -> Result<(), Disagreement> {
    let mut theirs = loona_hpack::Decoder::new();
    theirs.set_max_allowed_table_size(TABLE as usize);
    for block in &plan.blocks {
        let read = ours.decode(block);
        demand!(ours.heap() <= 16 * 1024, "{} octets are held", ours.heap());
        let expected = theirs.decode(block);
        match (&read, &expected) {
            (Ok(read), Ok(expected)) => demand!(read == expected, "{block:02x?}\n{read:?}\nloona: {expected:?}"),
            // It refuses a block of nothing but updates.
            (Ok(read), Err(error)) => {
                demand!(read.is_empty(), "{block:02x?}\n{read:?}\nloona: {error:?}");
                break;
            }
            (Err(error), expected) => {
                demand!(!plan.right || expected.is_err(), "{block:02x?}\n{error}\nloona: {expected:?}");
                break;
            }
        }
    }
    Ok(())
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Drawn<Self> {
        let right = u.ratio(1, 2)?;
        let mut blocks = Vec::new();
        for _ in 0..u.int_in_range(1..=6)? {
            blocks.push(if right || u.ratio(1, 2)? { block(u)? } else { u.arbitrary::<&[u8]>()?.to_vec() });
        }
        Ok(Self { blocks, right })
    }
}

/// A header block of instructions that are right, but for indices that no entry has.
pub fn block(u: &mut Unstructured<'_>) -> Drawn<Vec<u8>> {
    let mut block = Vec::new();
    if u.ratio(1, 8)? {
        integer(&mut block, 0x20, 5, u.int_in_range(0..=TABLE)?);
    }
    for _ in 0..u.int_in_range(1..=10)? {
        if u.is_empty() {
            break;
        }
        let kind = u.int_in_range(0..=9)?;
        let (pattern, prefix) = *u.choose(&[(0x40, 6), (0, 4), (0x10, 4)])?;
        match kind {
            0..=3 => integer(&mut block, 0x80, 7, u.int_in_range(1..=80)?),
            4 | 5 => {
                integer(&mut block, pattern, prefix, u.int_in_range(1..=70)?);
                string(u, &mut block)?;
            }
            _ => {
                integer(&mut block, pattern, prefix, 0);
                string(u, &mut block)?;
                string(u, &mut block)?;
            }
        }
    }
    Ok(block)
}

/// RFC 7541 section 5.1.
pub fn integer(block: &mut Vec<u8>, pattern: u8, prefix: u32, value: u32) {
    let full = (1u32 << prefix) - 1;
    let octet = |n: u32| u8::try_from(n & 0xff).expect("masked");
    if value < full {
        return block.push(pattern | octet(value));
    }
    block.push(pattern | octet(full));
    let mut rest = value - full;
    while rest >= 128 {
        block.push(octet(rest | 128));
        rest >>= 7;
    }
    block.push(octet(rest));
}

/// As it is, or in Huffman code.
pub fn text(block: &mut Vec<u8>, text: &[u8], coded: bool) {
    let length = |octets: &[u8]| u32::try_from(octets.len()).expect("inputs are small");
    if coded {
        let mut octets = Vec::new();
        httlib_huffman::encode(text, &mut octets).expect("every octet has a code");
        integer(block, 0x80, 7, length(&octets));
        block.extend(octets);
    } else {
        integer(block, 0, 7, length(text));
        block.extend(text);
    }
}

fn string(u: &mut Unstructured<'_>, block: &mut Vec<u8>) -> Drawn<()> {
    let coded = u.arbitrary()?;
    let octets = if u.ratio(1, 16)? {
        vec![u.arbitrary()?; u.int_in_range(0..=3000)?]
    } else {
        let octets = u.arbitrary::<&[u8]>()?;
        octets[..octets.len().min(60)].to_vec()
    };
    text(block, &octets, coded);
    Ok(())
}
