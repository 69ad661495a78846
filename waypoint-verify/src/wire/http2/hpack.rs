//! HPACK (RFC 7541), decoding only.
//!
//! Own code, because no crate holds up against an attacker (read and tried in November 2026):
//!
//! | crate | why not |
//! | --- | --- |
//! | `h2` 0.4 | strict and fast, but its decoder is private |
//! | `loona-hpack` 0.4, `fluke-hpack` 0.3 | builds 257 hash map entries for each Huffman string and reads it bit by bit (tens of microseconds a request); takes a table size update between two fields; its callback cannot stop it |
//! | `httlib-hpack` 0.1 | a truncated integer or string panics (index out of bounds); moves the whole rest of the block for each field |
//! | `httlib-huffman` 0.3 | takes padding that is not of ones (it compares the value of the padding, not its length) |
//! | `hpack` 0.3, `hpack-patched` 0.3 | not maintained since 2015; the table's size is not bounded; the same Huffman decoder as `loona-hpack` |
//!
//! `loona-hpack` and `h2` are the independent oracles of the tests.

mod fixed;
mod huffman;
mod integer;
mod table;

use super::field::Field;
use integer::Reader;
use table::Table;

/// What both ends start with (RFC 9113 section 6.5.2).
const INITIAL_TABLE: usize = 4096;
/// Table size updates at the start of a block (section 4.2: the smallest, then the last one).
const MAX_UPDATES: u8 = 2;
/// Of the buffer for decoded strings, what is kept between blocks.
const KEPT: usize = 1024;

/// What is wrong with a header block. Sections are those of RFC 7541.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It ends in the middle of a field.
    Truncated,
    /// An integer of more octets than any length or index needs (section 5.1).
    Integer,
    /// Padding that is no start of EOS, or EOS itself (section 5.2).
    Huffman,
    /// Index 0, or one that neither table has (section 2.3.3).
    Index,
    /// A table size update that does not stand at the start of the block, or a third one (section 4.2).
    SizeUpdate,
}

/// One decoded field.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldText<'a> {
    pub field: Field,
    pub name: &'a [u8],
    pub value: &'a [u8],
}

static FIXED: [Field; fixed::FIELDS.len()] = {
    let mut fields = [Field::sound(b""); fixed::FIELDS.len()];
    let mut n = 0;
    while n < fields.len() {
        fields[n] = Field::sound(fixed::FIELDS[n].0.as_bytes());
        n += 1;
    }
    fields
};

/// What takes fields, and may stop the decoding of them.
pub(super) trait Sink {
    type Error: From<Fault> + From<TableTooLarge>;

    fn field(&mut self, field: FieldText<'_>) -> Result<(), Self::Error>;
}

/// The sender wants a larger table than the decoder is ready to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableTooLarge;

#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    max_table: usize,
    text: Vec<u8>,
}

impl Decoder {
    /// `max_table`: what the table may be resized to. What the receiver announced is not known to a bystander; a sender that
    /// exceeds it is refused there.
    pub fn new(max_table: u32) -> Self {
        let max_table = (max_table as usize).max(INITIAL_TABLE);
        Self { table: Table::new(INITIAL_TABLE), max_table, text: Vec::new() }
    }

    pub fn decode<S: Sink>(&mut self, block: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let mut block = Reader { rest: block };
        self.updates::<S::Error>(&mut block)?;
        while let Some(first) = block.rest.first() {
            match first {
                0x80.. => {
                    let index = block.integer(7)?;
                    sink.field(self.table.get(index).ok_or(Fault::Index)?)?;
                }
                0x40..0x80 => self.literal(&mut block, 6, true, sink)?,
                0x20..0x40 => return Err(Fault::SizeUpdate.into()),
                // "Never indexed" is an advice to intermediaries (section 6.2.3).
                0..0x20 => self.literal(&mut block, 4, false, sink)?,
            }
        }
        self.text.clear();
        self.text.shrink_to(KEPT);
        Ok(())
    }

    pub fn heap(&self) -> usize {
        self.table.heap() + self.text.capacity()
    }

    fn updates<E: From<Fault> + From<TableTooLarge>>(&mut self, block: &mut Reader<'_>) -> Result<(), E> {
        let mut updates = 0;
        while let Some(0x20..0x40) = block.rest.first() {
            updates += 1;
            if updates > MAX_UPDATES {
                return Err(Fault::SizeUpdate.into());
            }
            let size = block.integer(5)?;
            if size > self.max_table {
                return Err(TableTooLarge.into());
            }
            self.table.resize(size);
        }
        Ok(())
    }

    fn literal<S: Sink>(
        &mut self,
        block: &mut Reader<'_>,
        prefix: u32,
        index: bool,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        self.text.clear();
        let named = block.integer(prefix)?;
        let name = if named == 0 { Some(block.string(&mut self.text)?) } else { None };
        let value = block.string(&mut self.text)?;
        let value = value.of(&self.text);
        let (field, name) = match &name {
            Some(name) => {
                let name = name.of(&self.text);
                (Field::of(name, value), Some(name))
            }
            None => {
                let known = self.table.get(named).ok_or(Fault::Index)?;
                let field = known.field.with(value);
                sink.field(FieldText { field, name: known.name, value })?;
                (field, None)
            }
        };
        if let Some(name) = name {
            sink.field(FieldText { field, name, value })?;
        }
        match (index, name) {
            (true, Some(name)) => self.table.insert(field, name, value),
            (true, None) => self.table.insert_named(field, named, value),
            (false, _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
