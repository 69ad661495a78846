//! cgroup_skb, ingress: packets about to be given to a socket.

use aya_ebpf::{macros::cgroup_skb, programs::SkBuffContext};
use waypoint_verify_ebpf::record::hook;

use crate::{PASS, traffic};

#[cgroup_skb(ingress)]
fn skb_ingress(ctx: SkBuffContext) -> i32 {
    traffic::observe(&ctx, hook::INGRESS);
    PASS
}
