//! All attacks, in the order in which they are shown.

mod client_headers;
mod direct_addresses;
mod hairpin;
mod head_in_body;
mod header_replay;
mod host_network;
mod pipelining;
mod port_forward;
mod same_pod;
mod smuggling;
mod upstream_itself;
mod waypoint_pod;

use super::Attack;

pub const ALL: &[Attack] = &[
    direct_addresses::ATTACK,
    header_replay::ATTACK,
    head_in_body::ATTACK,
    pipelining::ATTACK,
    upstream_itself::ATTACK,
    same_pod::ATTACK,
    waypoint_pod::ATTACK,
    port_forward::ATTACK,
    host_network::ATTACK,
    hairpin::ATTACK,
    client_headers::ATTACK,
    smuggling::ATTACK,
];
