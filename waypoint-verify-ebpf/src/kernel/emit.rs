//! Records onto the ring: reserve, then read the clock, then submit, so that ring order is causal order.
//!
//! Before that, room is asked for. A cgroup may hold a share of what is *free*: of several that flood each gets less,
//! and something is always left for those that do not.

use aya_ebpf::{
    bindings::{BPF_RB_CONS_POS, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS},
    helpers::generated::bpf_ktime_get_boot_ns,
};
use waypoint_verify_ebpf::{
    map::{Settings, Share},
    record::{Header, kind},
};

use crate::maps::{self, EVENTS};

/// Where the ring's reader and writers are.
struct Fill {
    producer: u64,
    consumer: u64,
}

impl Fill {
    #[inline(always)]
    fn now() -> Self {
        // In this order, so that the difference is never negative.
        let consumer = EVENTS.query(BPF_RB_CONS_POS.into());
        Self { producer: EVENTS.query(BPF_RB_PROD_POS.into()), consumer }
    }

    #[inline(always)]
    fn waiting(&self) -> u64 {
        self.producer.wrapping_sub(self.consumer)
    }

    /// Whether the reader is to be woken for so many bytes more: if it has nothing left to read (afterwards the ring holds
    /// the record itself and is never empty), or so much that it must not sleep on.
    ///
    /// # Safety
    /// `settings` is a map value.
    #[inline(always)]
    unsafe fn wakes(&self, settings: *const Settings, bytes: u32) -> bool {
        let waiting = self.waiting();
        // SAFETY: by contract.
        let bulk = unsafe { (*settings).bulk } & 63;
        waiting == 0 || waiting >> bulk != (waiting + u64::from(bytes)) >> bulk
    }

    /// What one cgroup may hold now.
    ///
    /// # Safety
    /// `settings` is a map value.
    #[inline(always)]
    unsafe fn share(&self, settings: *const Settings) -> u64 {
        // SAFETY: by contract.
        let (ring, share) = unsafe { ((*settings).ring, (*settings).share) };
        (u64::from(ring).saturating_sub(self.waiting()) * u64::from(share)) >> 8
    }
}

/// Room that was asked for a record.
pub struct Room {
    /// How to submit it: whether the reader is woken.
    pub wakeup: u64,
    share: *mut Share,
}

impl Room {
    /// Of the share of the cgroup that the record is of; counts the record as lost if there is none. What says who
    /// opened what may take twice as much as payload: whoever floods loses that last.
    ///
    /// # Safety
    /// `settings` is a map value. `kind` is a constant.
    #[inline(always)]
    pub unsafe fn ask(settings: *const Settings, kind: u32, cgroup: u64, record: u32, payload: u32) -> Option<Self> {
        let share = maps::share(cgroup);
        let fill = Fill::now();
        let bytes = record + payload;
        // SAFETY: by contract.
        let wakeup = if unsafe { fill.wakes(settings, bytes) } { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
        if !share.is_null() {
            // SAFETY: a map value; what two CPUs do to it at once leaves out some bytes.
            unsafe {
                if fill.consumer.wrapping_sub((*share).mark) as i64 >= 0 {
                    (*share).mark = fill.producer;
                    (*share).taken = 0;
                }
                let bulk = kind == kind::DATA || kind == kind::NOTE;
                let most = fill.share(settings) << if bulk { 0 } else { 1 };
                if (*share).taken + u64::from(bytes) > most {
                    maps::lost(share, kind, payload, true);
                    return None;
                }
                maps::take(share, bytes);
            }
        }
        Some(Self { wakeup: wakeup.into(), share })
    }

    /// The record could not be reserved after all: the ring is full.
    #[inline(always)]
    pub fn lost(self, kind: u32, payload: u32) {
        // SAFETY: a map value or null.
        unsafe { maps::lost(self.share, kind, payload, false) };
    }
}

/// Whether the ring is calm, and so much more of this cgroup leaves half of its share to what must be told.
///
/// # Safety
/// `settings` is a map value.
#[inline(always)]
pub unsafe fn calm(settings: *const Settings, cgroup: u64, bytes: u32) -> bool {
    let share = maps::share(cgroup);
    let fill = Fill::now();
    // SAFETY: by contract, and a map value. What was taken before the mark and read since does no longer count.
    unsafe {
        fill.waiting() < (*settings).calm.into()
            && !share.is_null()
            && ((if fill.consumer.wrapping_sub((*share).mark) as i64 >= 0 { 0 } else { (*share).taken })
                + u64::from(bytes))
                << 1
                < fill.share(settings)
    }
}

/// Emits a record of fixed size that `fill` writes; every field but the header.
///
/// # Safety
/// `settings` is a map value.
#[inline(always)]
pub unsafe fn fixed<T: 'static>(
    settings: *const Settings,
    kind: u32,
    flags: u32,
    cookie: u64,
    cgroup: u64,
    fill: impl FnOnce(*mut T),
) {
    // SAFETY: by contract.
    let Some(room) = (unsafe { Room::ask(settings, kind, cgroup, size_of::<T>() as u32, 0) }) else {
        return;
    };
    let wakeup = room.wakeup;
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        room.lost(kind, 0);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: every record type starts with a Header, and the reservation is as large as T.
    unsafe { header(record.cast(), kind, flags, cookie, cgroup, bpf_ktime_get_boot_ns()) };
    fill(record);
    entry.submit(wakeup);
}

/// Writes a record's header.
///
/// # Safety
/// `header` points to reserved memory of the ring.
#[inline(always)]
pub unsafe fn header(header: *mut Header, kind: u32, flags: u32, cookie: u64, cgroup: u64, ts: u64) {
    // SAFETY: by contract.
    unsafe {
        (*header).kind = kind;
        (*header).flags = flags;
        (*header).ts = ts;
        (*header).cookie = cookie;
        (*header).cgroup = cgroup;
    }
}
