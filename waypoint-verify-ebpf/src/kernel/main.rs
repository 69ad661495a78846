//! The kernel programs. They observe, and let everything pass: each has the shape `observe(&ctx); 1`.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod copy;
mod emit;
mod maps;
mod note;
mod other;
mod packet;
mod skb_egress;
mod skb_ingress;
mod sock_create;
mod sock_ops;
mod traffic;
mod watch;

/// What a cgroup program returns to let a packet, a socket or a call pass. 0 would stop it.
const PASS: i32 = 1;

// Helpers such as ktime_get_boot_ns ask for a compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
