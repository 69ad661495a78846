//! Payload into the ring: one record per skb, whatever its size.
//!
//! There is no scratch buffer on the way: egress runs in process context, and an ingress softirq that interrupts it
//! would overwrite it.

use core::mem::{MaybeUninit, offset_of, size_of};

use aya_ebpf::{
    bindings::{__sk_buff, bpf_dynptr, bpf_sock},
    helpers::generated::{
        bpf_dynptr_data, bpf_ktime_get_boot_ns, bpf_ringbuf_discard_dynptr, bpf_ringbuf_reserve_dynptr,
        bpf_ringbuf_submit_dynptr, bpf_skb_load_bytes, bpf_tcp_sock,
    },
    programs::SkBuffContext,
};
use aya_log_ebpf::warn;
use waypoint_verify_ebpf::{
    map::{Settings, counter},
    record::{Data, flag, hook, kind, side},
};

use crate::{
    emit::{Room, header},
    maps::{EVENTS, count_and_tell},
    packet::{self, Packet},
};

const HEADER: u32 = size_of::<Data>() as u32;
const LARGEST_SLICE: u32 = 16384;
const SLICES: u32 = 40;
/// More than any skb holds (BIG TCP on veth: 524280).
const MOST: u32 = LARGEST_SLICE * SLICES;

/// What of a packet's payload goes into the ring.
pub struct Slice {
    pub skb: *mut __sk_buff,
    pub sk: *mut bpf_sock,
    pub settings: *const Settings,
    pub cookie: u64,
    pub cgroup: u64,
    pub flags: u32,
    pub skipped: u32,
    pub captured: u32,
    pub side: u8,
    pub hook: u8,
}

/// Emits a [`Data`] record.
///
/// # Safety
/// The pointers in `slice` are those of the running program.
#[inline(never)]
pub unsafe fn emit(slice: &Slice, packet: &Packet) {
    let mut flags = slice.flags;
    let mut captured = slice.captured;
    if captured > MOST {
        captured = MOST;
        flags |= flag::TRUNCATED_BY_WINDOW;
    }
    // In one piece with the payload: that costs no call.
    let with_header = slice.hook == hook::INGRESS && slice.side == side::PASSIVE && slice.skipped == 0 && captured != 0;
    let from = if with_header { packet.tcp_at } else { packet.payload_at + slice.skipped };
    let header_len = if with_header { (packet.payload_at - packet.tcp_at) & 0x3f } else { 0 };
    let copied = header_len + captured;
    // SAFETY: a map value.
    let Some(asked) = (unsafe { Room::ask(slice.settings, kind::DATA, slice.cgroup, HEADER + header_len, captured) })
    else {
        return;
    };
    let wakeup = asked.wakeup;
    let mut room = MaybeUninit::<bpf_dynptr>::uninit();
    let room = room.as_mut_ptr();
    // SAFETY: the dynptr is released on every path; each slice is checked for null before use.
    unsafe {
        let events = (&raw const EVENTS).cast_mut().cast();
        if bpf_ringbuf_reserve_dynptr(events, HEADER + copied, 0, room) != 0 {
            bpf_ringbuf_discard_dynptr(room, 0);
            asked.lost(kind::DATA, captured);
            return;
        }
        let ts = bpf_ktime_get_boot_ns();
        if captured != 0 && !copy(slice.skb, from, room, copied) {
            if count_and_tell(counter::COPY_FAILED) {
                warn!(
                    &SkBuffContext::new(slice.skb),
                    "{} payload bytes of socket {} cannot be read", captured, slice.cookie
                );
            }
            flags |= flag::COPY_FAILED;
            captured = 0;
        }
        let record = bpf_dynptr_data(room, 0, HEADER).cast::<Data>();
        if record.is_null() {
            bpf_ringbuf_discard_dynptr(room, 0);
            asked.lost(kind::DATA, captured);
            return;
        }
        header((&raw mut (*record).header).cast(), kind::DATA, flags, slice.cookie, slice.cgroup, ts);
        (*record).seq = packet.seq;
        (*record).ack = packet.ack;
        (*record).rcv_nxt = rcv_nxt(slice);
        (*record).payload_len = packet.payload_len;
        (*record).skipped = slice.skipped;
        (*record).captured_len = captured;
        packet::write_tuple(slice.skb, packet, slice.hook, &raw mut (*record).tuple);
        (*record).tcp_flags = packet.flags;
        (*record).side = slice.side;
        (*record).hook = slice.hook;
        (*record).header_len = header_len as u8;
        bpf_ringbuf_submit_dynptr(room, wakeup);
    }
}

const _: () = assert!(offset_of!(Data, header) == 0);

#[inline(always)]
unsafe fn rcv_nxt(slice: &Slice) -> u32 {
    if slice.flags & flag::LISTENER_OWNED != 0 {
        return 0;
    }
    // SAFETY: a full socket.
    let tcp = unsafe { bpf_tcp_sock(slice.sk) };
    if tcp.is_null() {
        return 0;
    }
    // SAFETY: checked.
    unsafe { (*tcp).rcv_nxt }
}

/// Copies `len` bytes at `from` behind the record's header. The verifier wants slices of constant size: as
/// many of the largest size that fits as there are, and one more that ends where the payload does.
#[inline(always)]
unsafe fn copy(skb: *mut __sk_buff, from: u32, room: *mut bpf_dynptr, len: u32) -> bool {
    // SAFETY: the contract of `emit`.
    unsafe {
        if len >= LARGEST_SLICE {
            slices::<LARGEST_SLICE, SLICES>(skb, from, room, len)
        } else if len >= 4096 {
            slices::<4096, 4>(skb, from, room, len)
        } else if len >= 1024 {
            slices::<1024, 4>(skb, from, room, len)
        } else if len >= 512 {
            slices::<512, 1>(skb, from, room, len)
        } else if len >= 256 {
            slices::<256, 1>(skb, from, room, len)
        } else if len >= 128 {
            slices::<128, 1>(skb, from, room, len)
        } else if len >= 64 {
            slices::<64, 1>(skb, from, room, len)
        } else if len >= 32 {
            slices::<32, 1>(skb, from, room, len)
        } else if len >= 16 {
            slices::<16, 1>(skb, from, room, len)
        } else if len >= 8 {
            slices::<8, 1>(skb, from, room, len)
        } else if len >= 4 {
            slices::<4, 1>(skb, from, room, len)
        } else if len >= 2 {
            slices::<2, 1>(skb, from, room, len)
        } else {
            slices::<1, 1>(skb, from, room, len)
        }
    }
}

#[inline(always)]
unsafe fn slices<const SIZE: u32, const COUNT: u32>(
    skb: *mut __sk_buff,
    from: u32,
    room: *mut bpf_dynptr,
    len: u32,
) -> bool {
    let mut at = 0;
    for _ in 0..COUNT {
        if at + SIZE > len {
            break;
        }
        // SAFETY: the contract of `emit`.
        if !unsafe { one_slice::<SIZE>(skb, from, room, at) } {
            return false;
        }
        at += SIZE;
    }
    // SAFETY: the contract of `emit`.
    at >= len || unsafe { one_slice::<SIZE>(skb, from, room, len - SIZE) }
}

#[inline(always)]
unsafe fn one_slice<const SIZE: u32>(skb: *mut __sk_buff, from: u32, room: *mut bpf_dynptr, at: u32) -> bool {
    // SAFETY: the contract of `emit`; the slice is as long as is said, or null.
    unsafe {
        let slice = bpf_dynptr_data(room, HEADER + at, SIZE);
        !slice.is_null() && bpf_skb_load_bytes(skb.cast(), from + at, slice, SIZE) == 0
    }
}
