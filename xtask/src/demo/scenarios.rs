//! All scenarios, in the order in which they are shown.

mod blind;
mod compliant;
mod direct;
mod proxies;
mod routes;
mod waypoint;

use super::scenario::Scenario;
use crate::client::{Request, Script};
use crate::lab::Lab;

/// A row of the table: its name, and what happens.
const fn row(name: &'static str, about: &'static str, play: fn(&mut super::scenario::Stage) -> Play) -> Scenario {
    Scenario { name, about, play }
}

type Play = anyhow::Result<super::counts::Expected>;

pub const ALL: &[Scenario] = &[
    row(
        "compliant",
        "8 clients at once through the path, half of them without a trace, half identical",
        compliant::compliant,
    ),
    row("direct-pod-ip", "a client calls the backend pod itself", direct::pod_ip),
    row("direct-clusterip", "a client calls the backend's Service", direct::cluster_ip),
    row("direct-nodeport", "someone outside calls a NodePort (SNAT)", direct::node_port),
    row("direct-host-process", "a process of the node calls the backend's Service", direct::host_process),
    row("route-bypass", "a route of hello-gateway sends every tenth request straight to the backend", routes::bypass),
    row("route-bypass-forged", "that route forges all that a genuine, concurrent request carries", routes::forged),
    row("upstream-bypass", "a client calls hello-upstream itself", routes::upstream),
    row("other-gateway", "a Gateway of another namespace reaches the backend", routes::other_gateway),
    row("waypoint-origin", "another process in the waypoint's container calls hello-upstream", waypoint::origin),
    row("waypoint-fabricates", "the waypoint's own health check of its upstream, alone", waypoint::fabricates),
    row(
        "waypoint-fabricates-in-crowd",
        "the same in a crowd of requests that look like it",
        waypoint::fabricates_in_a_crowd,
    ),
    row(
        "same-peer",
        "a sidecar and the waypoint reach Envoy from one address, identical requests in flight",
        waypoint::same_peer,
    ),
    row("retries", "a client asks Envoy to retry: 4 attempts of each request", proxies::retries),
    row("mirror-behind", "hello-upstream mirrors to the backend", proxies::mirror_behind),
    row("mirror-before", "hello-gateway mirrors to the backend", proxies::mirror_before),
    row("replay", "direct requests with the headers of compliant ones, before and after them", direct::replay),
    row("blind-late", "the probes are attached after the connections were opened", blind::late),
    row("blind-small-ring", "a ring buffer of 4 KiB under load", blind::small_ring),
    row("idle", "no traffic", blind::idle),
    row("big-upload", "a POST of 1 GiB through the path", compliant::big_upload),
    row("big-download", "an answer of 1 GiB through the path, and a small one after it", compliant::big_download),
    row("big-download-chunked", "an answer of 1 MiB in chunks, and a small one after it", compliant::chunked_download),
];

/// A well-formed traceparent that names this number.
fn traceparent(number: u64) -> String {
    format!("00-{:032x}-{:016x}-01", 0xabc0_0000_u64 + number, 0x0100_0000_u64 + number)
}

/// `count` requests for one path over one connection, through the front door.
fn through_the_path(lab: &Lab, count: usize, path: &str) -> anyhow::Result<Script> {
    Ok(Script::keep_alive(lab.gateway("hello-gateway")?, vec![Request::get(path); count]))
}
