//! The maps, and counting in them.

use core::{arch::asm, ffi::c_void, ptr};

use aya_ebpf::{
    bindings::{
        BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_NOEXIST, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type::BPF_MAP_TYPE_SK_STORAGE,
    },
    helpers::generated::bpf_sk_storage_get,
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, RingBuf},
};
use waypoint_verify_ebpf::map::{
    Counters, Grant, Losses, NOBODY, SHARES_MOST, Settings, Share, Socket, counter, grant_key,
};

#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

#[map]
static OWNERS: HashMap<u64, u32> = HashMap::with_max_entries(1 << 16, 0);

#[map]
static GRANTS: LruHashMap<u64, Grant> = LruHashMap::with_max_entries(1 << 16, 0);

#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);

#[map]
static LOST: Array<Losses> = Array::with_max_entries(1, 0);

#[map]
static SHARES: HashMap<u64, Share> = HashMap::with_max_entries(SHARES_MOST, 0);

/// A share that nothing was taken of: zeros that need not be written on the stack (LLVM would call memset).
#[map]
static NEW_SHARE: Array<Share> = Array::with_max_entries(1, 0);

#[map]
static COUNTERS: Array<Counters> = Array::with_max_entries(1, 0);

/// `btf_maps::SkStorage` has neither BPF_F_CLONE nor access from these hooks.
#[repr(C)]
pub struct SocketStorage {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const Socket,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize],
}

// SAFETY: the pointers describe the map to the loader; nothing follows them.
unsafe impl Sync for SocketStorage {}

#[btf_map]
static SOCKETS: SocketStorage = SocketStorage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

#[inline(always)]
pub fn settings() -> Option<*const Settings> {
    SETTINGS.get_ptr(0).filter(|settings| {
        // SAFETY: a value of an array map; userspace writes it whole.
        unsafe { (**settings).enabled != 0 }
    })
}

#[inline(always)]
pub fn owner(cgroup: u64) -> Option<u32> {
    // SAFETY: copied at once; a concurrent update yields the old or the new word.
    unsafe { OWNERS.get(cgroup).copied() }
}

#[inline(always)]
pub fn granted(cookie: u64, response: bool) -> Option<u32> {
    // SAFETY: copied at once; a concurrent update yields the old or the new word.
    unsafe { GRANTS.get(grant_key(cookie, response)).map(|grant| grant.until) }
}

#[inline(always)]
pub fn forget_grants(cookie: u64) {
    let _ = GRANTS.remove(grant_key(cookie, false));
    let _ = GRANTS.remove(grant_key(cookie, true));
}

/// What is known of the socket `sk`, started empty if there is nothing; null without memory for it.
///
/// # Safety
/// `sk` is a socket that the verifier accepts for `bpf_sk_storage_get` in this program.
#[inline(always)]
pub unsafe fn socket_or_new(sk: *mut c_void) -> *mut Socket {
    // SAFETY: by contract.
    let mut socket = unsafe { storage(sk, BPF_SK_STORAGE_GET_F_CREATE.into()) };
    if socket.is_null() {
        // Of two CPUs that make it at once, one gets nothing (bpf_local_storage_update fails with EEXIST): now it is there.
        // SAFETY: by contract.
        socket = unsafe { storage(sk, 0) };
    }
    if socket.is_null() {
        count(counter::NO_STORAGE);
    }
    socket
}

/// What is known of the socket `sk`, or null.
///
/// # Safety
/// As for [`socket_or_new`].
#[inline(always)]
pub unsafe fn socket(sk: *mut c_void) -> *mut Socket {
    // SAFETY: by contract.
    unsafe { storage(sk, 0) }
}

#[inline(always)]
unsafe fn storage(sk: *mut c_void, flags: u64) -> *mut Socket {
    // SAFETY: by contract of the callers.
    unsafe { bpf_sk_storage_get((&raw const SOCKETS).cast_mut().cast(), sk, ptr::null_mut(), flags).cast() }
}

/// What this cgroup takes of the ring, started if there is nothing; the common one if there is no more room; null if
/// userspace has not made that.
#[inline(always)]
pub fn share(cgroup: u64) -> *mut Share {
    if let Some(share) = SHARES.get_ptr_mut(cgroup) {
        return share;
    }
    if let Some(new) = NEW_SHARE.get_ptr(0) {
        #[expect(clippy::needless_borrows_for_generic_args, reason = "by value it would be copied to the stack")]
        // SAFETY: a value of an array map that nobody writes.
        let _ = SHARES.insert(cgroup, unsafe { &*new }, BPF_NOEXIST.into());
    }
    SHARES.get_ptr_mut(cgroup).or_else(|| SHARES.get_ptr_mut(NOBODY)).unwrap_or(ptr::null_mut())
}

/// Takes bytes of a share.
///
/// # Safety
/// `share` is a map value.
#[inline(always)]
pub unsafe fn take(share: *mut Share, bytes: u32) {
    // SAFETY: by contract.
    unsafe { add(&raw mut (*share).taken, bytes.into()) };
}

/// Counts a record that did not fit the ring, or its owner's share (`refused`). `kind` is a constant.
///
/// # Safety
/// `share` is a map value or null.
#[inline(always)]
pub unsafe fn lost(share: *mut Share, kind: u32, bytes: u32, refused: bool) {
    // SAFETY: by contract, and a value of an array map; both are aligned to 8.
    unsafe {
        if !share.is_null() {
            if refused {
                add(&raw mut (*share).refused, 1);
            }
            lost_of(&raw mut (*share).lost, kind, bytes);
        }
        if let Some(losses) = LOST.get_ptr_mut(0) {
            lost_of(losses, kind, bytes);
        }
    }
}

/// # Safety
/// `losses` is in a map value, aligned to 8.
#[inline(always)]
unsafe fn lost_of(losses: *mut Losses, kind: u32, bytes: u32) {
    // SAFETY: by contract.
    unsafe {
        let lost = &raw mut (*losses)[kind as usize];
        add(&raw mut (*lost).records, 1);
        add(&raw mut (*lost).bytes, bytes.into());
    }
}

/// Counts in [`Counters`]. `counter` is a constant.
#[inline(always)]
pub fn count(counter: u32) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        // SAFETY: a value of an array map, aligned to 8.
        unsafe { add(&raw mut (*counters)[counter as usize], 1) };
    }
}

/// Counts, and says whether it is one of the first: what is worth a line in the log.
#[inline(always)]
pub fn count_and_tell(counter: u32) -> bool {
    const TOLD: u64 = 10;
    count(counter);
    // SAFETY: a value of an array map; a concurrent addition costs or gives a line.
    COUNTERS
        .get_ptr(0)
        .is_some_and(|counters| unsafe { (&raw const (*counters)[counter as usize]).read_volatile() } <= TOLD)
}

/// `core` has no `fetch_add` for this target (no compare-and-swap before BPF v3); the instruction exists since the
/// first version.
///
/// # Safety
/// `value` is a map value, aligned to 8.
#[inline(always)]
unsafe fn add(value: *mut u64, by: u64) {
    // SAFETY: by contract.
    unsafe {
        asm!("lock *(u64 *)({value} + 0) += {by}", value = in(reg) value, by = in(reg) by, options(nostack));
    }
}
