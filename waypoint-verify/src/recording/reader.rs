//! The octets of a recording -> evidence; of what is not whole, not ours or not of this version, why.

use std::io::{self, Read};

use super::digest::Hashing;
use super::parts::{Begin, Chunk, End};
use super::{CHUNK, Digest, FRAME, LIMIT, MAGIC, SCHEMA};
use crate::bus::{Message, Unreadable};
use crate::evidence::Evidence;

/// Why a recording is not read, or not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("it is no recording of waypoint-verify (`--record`)")]
    Foreign,
    #[error("its schema version {got} is newer than this program's {SCHEMA}: replay it with a newer program")]
    Newer { got: u16 },
    #[error(
        "its schema version {got} is older than this program's {SCHEMA}: replay it with the program that recorded it"
    )]
    Older { got: u16 },
    #[error(
        "it is cut off after {read} octets: whoever recorded it was killed, its disk was full, or it was not copied whole"
    )]
    CutOff { read: u64 },
    #[error("it is corrupted before octet {read}: {what}")]
    Corrupted { read: u64, what: String },
    #[error("its digest is another one than its trailer says: it was changed after it was recorded")]
    Digest,
    #[error("its trailer counts {said} pieces of evidence, but {read} were read")]
    Count { said: u64, read: u64 },
    #[error("another recording follows in the same file: take them apart, and replay each")]
    Several,
    #[error("something follows its end: it was changed after it was recorded")]
    Longer,
    #[error("it asks for a judge that remembers {got} messages: more than {LIMIT} are not taken")]
    Limits { got: usize },
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads one recording, a frame at a time.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    digest: Hashing,
    read: u64,
    pieces: u64,
    /// After the trailer: of all octets.
    whole: Option<Digest>,
}

impl<R: Read> Reader<R> {
    pub fn open(from: R) -> Result<(Self, Begin), Broken> {
        let mut reader = Self { from, digest: Hashing::default(), read: 0, pieces: 0, whole: None };
        let magic: [u8; MAGIC.len()] = reader.take().map_err(|broken| match broken {
            Broken::CutOff { .. } => Broken::Foreign,
            other => other,
        })?;
        if magic != MAGIC {
            return Err(Broken::Foreign);
        }
        let got = u16::from_le_bytes(reader.take()?);
        if got > SCHEMA {
            return Err(Broken::Newer { got });
        }
        if got < SCHEMA {
            return Err(Broken::Older { got });
        }
        let (kind, content) = reader.frame()?;
        if kind != b'B' {
            return Err(reader.corrupted("it does not begin with a watch list"));
        }
        let begin = reader.decode::<Begin>(&content)?;
        let got = begin.limits.0.max(begin.limits.1);
        if got > LIMIT { Err(Broken::Limits { got }) } else { Ok((reader, begin)) }
    }

    /// Hands out all evidence in order. Whether it was right is known at the end: the digest is compared there.
    pub fn evidence(&mut self, mut each: impl FnMut(Evidence) -> io::Result<()>) -> Result<End, Broken> {
        loop {
            let (kind, content) = self.frame()?;
            match kind {
                b'E' => {
                    let chunk: Chunk = self.decode(&content)?;
                    let mut rest = &chunk.octets[..];
                    for _ in 0..chunk.pieces {
                        let (evidence, after) = postcard::take_from_bytes(rest)
                            .map_err(|error| self.corrupted(&format!("a piece of evidence is none ({error})")))?;
                        rest = after;
                        each(evidence)?;
                    }
                    if !rest.is_empty() {
                        return Err(self.corrupted("a frame holds more than its evidence"));
                    }
                    self.pieces += u64::from(chunk.pieces);
                }
                b'Z' => {
                    let end = self.decode(&content)?;
                    self.trailer()?;
                    return Ok(end);
                }
                _ => return Err(self.corrupted("a frame is of no known kind")),
            }
        }
    }

    /// The digest of all octets, once the end was read.
    pub fn digest(&self) -> Option<Digest> {
        self.whole
    }

    fn trailer(&mut self) -> Result<(), Broken> {
        let before = self.digest.so_far();
        let (kind, content) = self.frame()?;
        let parts = content.split_first_chunk::<8>().filter(|(_, digest)| kind == b'T' && digest.len() == 32);
        let Some((said, digest)) = parts else {
            return Err(self.corrupted("its trailer is none"));
        };
        if before.0 != digest {
            return Err(Broken::Digest);
        }
        let said = u64::from_le_bytes(*said);
        if said != self.pieces {
            return Err(Broken::Count { said, read: self.pieces });
        }
        self.whole = Some(self.digest.so_far());
        let mut next = Vec::new();
        self.from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut next)?;
        match &next[..] {
            [] => Ok(()),
            next if next == MAGIC => Err(Broken::Several),
            _ => Err(Broken::Longer),
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>), Broken> {
        let [kind] = self.take()?;
        let length = u32::from_le_bytes(self.take()?) as usize;
        if length > FRAME {
            return Err(self.corrupted(&format!("a frame claims {length} octets, and {FRAME} are the most")));
        }
        // Not as many as are claimed: as many as there are.
        let mut content = Vec::new();
        let got = self.from.by_ref().take(length as u64).read_to_end(&mut content)?;
        self.seen(&content);
        if got < length { Err(Broken::CutOff { read: self.read }) } else { Ok((kind, content)) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut octets = [0; N];
        match self.from.read_exact(&mut octets) {
            Ok(()) => {
                self.seen(&octets);
                Ok(octets)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Broken::CutOff { read: self.read }),
            Err(error) => Err(error.into()),
        }
    }

    fn seen(&mut self, octets: &[u8]) {
        self.digest.add(octets);
        self.read += octets.len() as u64;
    }

    fn decode<M: Message>(&self, content: &[u8]) -> Result<M, Broken> {
        M::decode(content).map_err(|error| match error {
            Unreadable::Packing(_) => {
                self.corrupted(&format!("a frame cannot be unpacked to {CHUNK} octets or less ({error})"))
            }
            other => self.corrupted(&format!("a frame {other}")),
        })
    }

    fn corrupted(&self, what: &str) -> Broken {
        Broken::Corrupted { read: self.read, what: what.to_owned() }
    }
}
