//! What a judge was given, kept in a file: judged again, anywhere and without probes, it gives the same verdicts.
//!
//! ```text
//! magic            8 octets
//! schema version   2 octets, little endian
//! frames           kind (1 octet), length (4 octets, little endian), content
//!   B              Begin: who recorded, by which settings, and the watch list
//!   E ...          Chunk: evidence in order, each piece in postcard
//!   Z              End: what else a summary tells, and what was said of each policy
//!   T              Trailer: pieces of evidence (8 octets), SHA-256 of everything before this frame (32 octets)
//! ```
//!
//! Content is what the bus carries (`bus::Message`): a version, and postcard in zstd. Nothing may follow the trailer, so what
//! was cut off, changed or joined to another file is known for that. The trailer is no proof against who can write
//! the file: that is what [`attest`](crate::attest) is for.

mod digest;
mod parts;
mod reader;
mod recorder;
mod redact;
mod replay;
mod sources;
mod writer;

pub use digest::{Digest, Hashing, sha256};
pub use parts::{Begin, Command, End, Observed, Role, Source};
pub use reader::{Broken, Reader};
pub use recorder::{Recorder, for_the_judge};
pub use redact::Redactor;
pub use replay::{Replayed, replay};
pub use sources::{SourceError, sources};
pub use writer::{Unwritten, Writer};

/// As that of PNG: with an octet that is not ASCII and both ends of lines, so that a transfer as text is noticed.
const MAGIC: [u8; 8] = *b"\x89WVREC\r\n";

/// Of everything in the file, `Evidence` included. `tests` hold a sample: they fail where the form changed and this did not.
pub const SCHEMA: u16 = 1;

/// Octets of a frame, packed.
const FRAME: usize = 16 << 20;

/// Octets of the evidence of one frame, unpacked; and when a frame is written.
const CHUNK: usize = 4 << 20;
const FULL: usize = 256 << 10;

/// Messages or connections that a recorded judge may remember: a file shall not decide how much memory reading it takes.
pub const LIMIT: usize = 1 << 22;

#[cfg(test)]
mod tests;
