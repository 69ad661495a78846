//! cgroup_skb, egress: packets that a socket sends.

use aya_ebpf::{macros::cgroup_skb, programs::SkBuffContext};
use waypoint_verify_ebpf::record::hook;

use crate::{PASS, traffic};

#[cgroup_skb(egress)]
fn skb_egress(ctx: SkBuffContext) -> i32 {
    traffic::observe(&ctx, hook::EGRESS);
    PASS
}
