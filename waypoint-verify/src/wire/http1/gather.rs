//! A head or trailer section that came in more than one piece: collected up to its empty line, in linear time.

use crate::wire::{Malformed, Poison};

#[derive(Debug, Default)]
pub(in crate::wire) struct Gather {
    buf: Vec<u8>,
    /// Where the current line starts in `buf`.
    line: usize,
}

pub(in crate::wire) enum Gathered {
    /// All of it was taken, the empty line has not come.
    More,
    /// The empty line is complete; so many octets were taken.
    Complete(usize),
}

impl Gather {
    /// Fails with `full` once more than `max` octets have come without the empty line.
    pub fn push(&mut self, bytes: &[u8], max: u32, full: Poison) -> Result<Gathered, Poison> {
        let mut from = 0;
        while let Some(lf) = bytes[from..].iter().position(|octet| *octet == b'\n').map(|n| from + n) {
            let before = if lf == 0 { self.buf.last() } else { bytes.get(lf - 1) };
            if before != Some(&b'\r') {
                return Err(Malformed::BareLf.into());
            }
            let at = self.buf.len() + lf;
            if at - self.line == 1 {
                self.keep(&bytes[..=lf], max, full)?;
                return Ok(Gathered::Complete(lf + 1));
            }
            self.line = at + 1;
            from = lf + 1;
        }
        self.keep(bytes, max, full)?;
        Ok(Gathered::More)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    pub fn in_first_line(&self) -> bool {
        self.line == 0
    }

    pub fn heap(&self) -> usize {
        self.buf.capacity()
    }

    fn keep(&mut self, bytes: &[u8], max: u32, full: Poison) -> Result<(), Poison> {
        if self.buf.len() + bytes.len() > max as usize {
            return Err(full);
        }
        self.buf.extend_from_slice(bytes);
        Ok(())
    }
}
