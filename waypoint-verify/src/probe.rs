//! The kernel side of this machine: loads and attaches the programs, and reads what they saw.
//!
//! The only module that knows aya. The others read [`Record`]s, which are plain data.

mod attach;
mod counts;
mod decode;
mod error;
mod flags;
mod foreign;
mod mount;
mod preflight;
mod record;
mod redirect;
mod ring;
mod running;
mod shares;

pub use counts::{Drained, Losses, Lost, LostOf, Totals};
pub use decode::{DecodeError, decode};
pub use error::{Hook, ProbeError};
pub use flags::Flags;
pub use mount::cgroup2_root;
pub use preflight::{Finding, Status, preflight};
pub use record::{
    Closed, Comm, Created, Data, Direction, Kind, Note, Opened, Other, Passage, Record, Side, Stray, TcpFlags,
};
pub use redirect::{Redirections, redirections};
pub use running::{Probe, ProgramTime, boot_ns};

use std::path::PathBuf;
use std::time::Duration;

/// What the probe is given; it is fixed for the probe's life.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of a cgroup-v2 hierarchy: sockets that were created in it or below are seen.
    pub cgroup_root: PathBuf,
    /// Size of the ring: a power of two, at least a page.
    pub ring_bytes: u32,
    /// How long the reader sleeps after a drain that brought little, so that a busy ring costs no wake-up per record: each
    /// finds the caches cold, and leaves them so to whom it interrupts.
    pub pause: Duration,
    /// Bytes of a stream that are copied beyond the last grant, or its start.
    pub window: u32,
    /// As `window`, while less than half of the ring waits to be read and the owner is far from its share: a message of
    /// unknown length (chunked, HTTP/2) is followed only as far as it is copied. For requests a quarter of it.
    pub calm_window: u32,
    /// What the sockets of one cgroup may take of the ring, in percent of what is free then: twice that for openings and
    /// closes. So one that floods loses its own records, and the others' have room.
    pub owner_share: u8,
    /// Bytes that are copied of one socket whose owner is not classified, in each direction.
    pub unclassified_budget: u32,
    /// What is wanted of sockets whose owner is not classified.
    pub default_flags: Flags,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // Where systemd mounts it; `start` says so if there is none.
            cgroup_root: cgroup2_root().unwrap_or_else(|_| PathBuf::from("/sys/fs/cgroup")),
            ring_bytes: 16 << 20,
            pause: Duration::from_millis(8),
            window: 64 << 10,
            calm_window: 4 << 20,
            owner_share: 50,
            unclassified_budget: 64 << 10,
            default_flags: Flags::ENTRIES | Flags::DEPARTURES | Flags::RESPONSES,
        }
    }
}
