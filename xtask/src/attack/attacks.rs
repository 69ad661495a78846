//! All attacks, in the order in which they are shown.

mod aborts;
mod agent_killed;
mod agent_late;
mod borrowed_identity;
mod bounds;
mod chosen_request_id;
mod client_headers;
mod direct_addresses;
mod exempt;
mod flood_of_one;
mod forging_route;
mod front_addresses;
mod gateway_container;
mod hairpin;
mod head_in_body;
mod header_replay;
mod host_network;
mod http2;
mod http2_all_the_way;
mod http2_malformed;
mod imposter;
mod made_up;
mod mirrors;
mod not_tcp;
mod odd_requests;
mod other_protocols;
mod packet_socket;
mod pipelining;
mod poisoned_entry;
mod port_forward;
mod rare_sockets;
mod restarts;
mod ring_flood;
mod routes;
mod same_peer;
mod same_pod;
mod slow_and_endless;
mod smuggling;
mod sockmap;
mod split_routes;
mod stolen_socket;
mod switches;
mod tcp_front;
mod tcp_tricks;
mod uncovered_node;
mod unknown_listener;
mod upstream_itself;
mod waypoint_itself;
mod waypoint_pod;

use super::{Attack, legit};

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
    odd_requests::ATTACK,
    smuggling::ATTACK,
    waypoint_itself::ATTACK,
    front_addresses::ATTACK,
    borrowed_identity::ATTACK,
    tcp_tricks::ATTACK,
    rare_sockets::ATTACK,
    not_tcp::ATTACK,
    sockmap::ATTACK,
    packet_socket::ATTACK,
    slow_and_endless::ATTACK,
    routes::ATTACK,
    split_routes::ATTACK,
    mirrors::ATTACK,
    forging_route::ATTACK,
    made_up::ATTACK,
    same_peer::ATTACK,
    agent_late::ATTACK,
    agent_killed::ATTACK,
    ring_flood::ATTACK,
    flood_of_one::ATTACK,
    poisoned_entry::ATTACK,
    restarts::ATTACK,
    exempt::ATTACK,
    other_protocols::ATTACK,
    switches::ATTACK,
    http2::ATTACK,
    http2_malformed::ATTACK,
    stolen_socket::ATTACK,
    unknown_listener::ATTACK,
    gateway_container::ATTACK,
    uncovered_node::ATTACK,
    tcp_front::ATTACK,
    http2_all_the_way::ATTACK,
    chosen_request_id::ATTACK,
    aborts::ATTACK,
    imposter::ATTACK,
    bounds::ATTACK,
    legit::curl::ATTACK,
    legit::python::ATTACK,
    legit::go::ATTACK,
    legit::grpc::ATTACK,
    legit::websocket::ATTACK,
    legit::load::ATTACK,
    legit::routes::ATTACK,
    legit::restarts::ATTACK,
    legit::mixed::SHORT,
    legit::mixed::LONG,
    legit::overload::SHORT,
    legit::overload::LONG,
];
