//! Records onto the ring: reserve, then read the clock, then submit, so that ring order is causal order.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::bpf_ktime_get_boot_ns,
};
use waypoint_verify_ebpf::record::Header;

use crate::maps::{EVENTS, lost};

/// How to submit a record: wake the reader if it had nothing left to read. To be asked *before* the record is
/// reserved: afterwards the ring holds the record itself and is never empty.
#[inline(always)]
pub fn wakeup() -> u64 {
    if EVENTS.query(BPF_RB_AVAIL_DATA.into()) == 0 { BPF_RB_FORCE_WAKEUP.into() } else { BPF_RB_NO_WAKEUP.into() }
}

/// Whether fewer bytes wait in the ring than this.
#[inline(always)]
pub fn calm(bytes: u32) -> bool {
    EVENTS.query(BPF_RB_AVAIL_DATA.into()) < bytes.into()
}

/// Emits a record of fixed size that `fill` writes; every field but the header.
#[inline(always)]
pub fn fixed<T: 'static>(kind: u32, flags: u32, cookie: u64, cgroup: u64, fill: impl FnOnce(*mut T)) {
    let wakeup = wakeup();
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        lost(kind, 0);
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
