//! What fuzz targets need to reach of the insides: nothing else may use it.

use super::hpack::{Decoder, Fault, FieldText, Sink, TableTooLarge};

/// A decoder of header blocks.
#[derive(Debug)]
pub struct Hpack(Decoder);

/// Name and value.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

struct Collected(Fields);

struct Refused(String);

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(format!("{fault:?}"))
    }
}

impl From<TableTooLarge> for Refused {
    fn from(large: TableTooLarge) -> Self {
        Self(format!("{large:?}"))
    }
}

impl Sink for Collected {
    type Error = Refused;

    fn field(&mut self, text: FieldText<'_>) -> Result<(), Refused> {
        self.0.push((text.name.to_vec(), text.value.to_vec()));
        Ok(())
    }
}

impl Hpack {
    pub fn new(max_table: u32) -> Self {
        Self(Decoder::new(max_table))
    }

    /// The fields of a block, or what is wrong with it.
    pub fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let mut fields = Collected(Vec::new());
        match self.0.decode(block, &mut fields) {
            Ok(()) => Ok(fields.0),
            Err(Refused(why)) => Err(why),
        }
    }

    /// Octets that it holds.
    pub fn heap(&self) -> usize {
        self.0.heap()
    }
}
