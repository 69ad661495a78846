//! Evidence -> the octets of a recording.

use std::io::{self, Write};

use super::digest::Hashing;
use super::parts::{Begin, Chunk, End};
use super::{CHUNK, Digest, FRAME, FULL, LIMIT, MAGIC, SCHEMA};
use crate::bus::{Message, Unreadable};
use crate::evidence::Evidence;

/// Why a recording is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{what} takes {got} octets, and a reader takes {bound} at most")]
    TooLarge { what: &'static str, got: usize, bound: usize },
    #[error("{0}")]
    Form(Unreadable),
    #[error(
        "a judge that remembers {got} messages cannot be recorded: replaying it takes too much memory (at most {LIMIT})"
    )]
    Limits { got: usize },
}

/// Writes one recording. Without [`Writer::end`] it is not whole, and no reader takes it.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    digest: Hashing,
    chunk: Chunk,
    pieces: u64,
}

impl<W: Write> Writer<W> {
    pub fn begin(out: W, begin: &Begin) -> Result<Self, Unwritten> {
        let got = begin.limits.0.max(begin.limits.1);
        if got > LIMIT {
            return Err(Unwritten::Limits { got });
        }
        let mut writer = Self { out, digest: Hashing::default(), chunk: Chunk::default(), pieces: 0 };
        writer.put(&MAGIC)?;
        writer.put(&SCHEMA.to_le_bytes())?;
        let octets = begin.encode().map_err(Unwritten::Form)?;
        // Better now than by who reads it.
        Begin::decode(&octets).map_err(Unwritten::Form)?;
        writer.frame(b'B', "the watch list", &octets)?;
        // A disk that is full already is known before anything is observed.
        writer.out.flush()?;
        Ok(writer)
    }

    /// It is in the file after the next [`Writer::end`] at the latest.
    pub fn evidence(&mut self, evidence: &Evidence) -> Result<(), Unwritten> {
        let before = self.chunk.octets.len();
        let octets = postcard::to_extend(evidence, std::mem::take(&mut self.chunk.octets));
        self.chunk.octets = octets.map_err(|error| Unwritten::Form(Unreadable::Form(error.to_string())))?;
        self.chunk.pieces += 1;
        let got = self.chunk.octets.len() - before;
        if self.chunk.octets.len() > CHUNK {
            return Err(Unwritten::TooLarge { what: "one piece of evidence", got, bound: CHUNK - FULL });
        }
        if self.chunk.octets.len() >= FULL { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Unwritten> {
        if self.chunk.pieces == 0 {
            return Ok(());
        }
        let octets = self.chunk.encode().map_err(Unwritten::Form)?;
        self.pieces += u64::from(self.chunk.pieces);
        self.chunk.pieces = 0;
        self.chunk.octets.clear();
        self.frame(b'E', "evidence", &octets)
    }

    /// Returns where it was written to, and the digest of all of it.
    pub fn end(mut self, end: &End) -> Result<(W, Digest), Unwritten> {
        self.flush()?;
        let octets = end.encode().map_err(Unwritten::Form)?;
        End::decode(&octets).map_err(Unwritten::Form)?;
        self.frame(b'Z', "the summary", &octets)?;
        let trailer = [&self.pieces.to_le_bytes()[..], &self.digest.so_far().0].concat();
        self.frame(b'T', "the trailer", &trailer)?;
        self.out.flush()?;
        Ok((self.out, self.digest.so_far()))
    }

    fn frame(&mut self, kind: u8, what: &'static str, content: &[u8]) -> Result<(), Unwritten> {
        let got = content.len();
        let length = u32::try_from(got).ok().filter(|_| got <= FRAME);
        let length = length.ok_or(Unwritten::TooLarge { what, got, bound: FRAME })?;
        self.put(&[kind])?;
        self.put(&length.to_le_bytes())?;
        self.put(content)
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Unwritten> {
        self.digest.add(octets);
        Ok(self.out.write_all(octets)?)
    }
}
