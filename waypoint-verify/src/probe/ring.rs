//! The ring's reader: aya's, with the positions that it keeps to itself.

use std::{
    io,
    num::NonZeroUsize,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::{MapData, RingBuf};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Items are read in the order in which they were reserved. One that is reserved but not yet written holds up those
/// behind it, and aya then says the same as for an empty ring: only the positions tell the two apart.
pub(super) struct Ring {
    items: RingBuf<MapData>,
    consumer: Position,
    producer: Position,
}

impl Ring {
    pub(super) fn new(items: RingBuf<MapData>) -> io::Result<Self> {
        let page = page_size()?;
        Ok(Self { consumer: Position::map(&items, page, 0)?, producer: Position::map(&items, page, 1)?, items })
    }

    /// Where the next record will be reserved.
    pub(super) fn end(&self) -> u64 {
        self.producer.get()
    }

    /// Bytes that wait to be read.
    pub(super) fn waiting(&self) -> u64 {
        // In this order, so that the difference is never negative.
        let consumer = self.consumer.get();
        self.end().wrapping_sub(consumer)
    }

    /// Whether everything before `end` was read.
    pub(super) fn reached(&self, end: u64) -> bool {
        end.wrapping_sub(self.consumer.get()).cast_signed() <= 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    pub(super) const fn items(&mut self) -> &mut RingBuf<MapData> {
        &mut self.items
    }
}

/// A page of the ring that starts with a position.
struct Position {
    page: NonNull<AtomicU64>,
    len: NonZeroUsize,
}

// SAFETY: the page is only read, atomically, and unmapped when the owner drops it.
unsafe impl Send for Position {}
// SAFETY: as above.
unsafe impl Sync for Position {}

impl Position {
    fn map(ring: &RingBuf<MapData>, len: NonZeroUsize, page: i64) -> io::Result<Self> {
        let offset = page * i64::try_from(len.get()).map_err(io::Error::other)?;
        // SAFETY: a new mapping of its own, read-only.
        let page = unsafe { mmap(None, len, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, ring, offset) }?;
        Ok(Self { page: page.cast(), len })
    }

    fn get(&self) -> u64 {
        // SAFETY: mapped until drop, and aligned to a page.
        unsafe { self.page.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; nothing refers to it any more.
        let _ = unsafe { munmap(self.page.cast(), self.len.get()) };
    }
}

pub(super) fn page_size() -> io::Result<NonZeroUsize> {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
    size.and_then(|size| usize::try_from(size).ok())
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| io::Error::other("no page size"))
}
