//! Connections to the backend that no gateway made.

use std::net::SocketAddr;

use anyhow::Result;

use super::{Play, traceparent};
use crate::client::{Request, Script};
use crate::demo::counts::Expected;
use crate::demo::past;
use crate::demo::scenario::Stage;
use crate::demo::scenarios::compliant::all_answered;
use crate::lab::{Lab, Place};

const REQUESTS: usize = 10;

pub fn pod_ip(stage: &mut Stage) -> Play {
    direct(stage, "pod clients/client-1", |lab| Ok((lab.client("client-1")?, lab.pod("hello-backend-1")?)))
}

pub fn cluster_ip(stage: &mut Stage) -> Play {
    direct(stage, "pod clients/client-2", |lab| Ok((lab.client("client-2")?, lab.service("hello-backend")?)))
}

pub fn node_port(stage: &mut Stage) -> Play {
    // The node's own address stands for the one outside.
    direct(stage, "172.18.0.11", |lab| Ok((lab.outside(), lab.node_port("node-1", "hello-backend-nodeport")?)))
}

pub fn host_process(stage: &mut Stage) -> Play {
    direct(stage, "host process of node-1", |lab| Ok((lab.host("node-1")?, lab.service("hello-backend")?)))
}

/// `sender`: how the explanation must name who did it (owner or address).
fn direct(stage: &mut Stage, sender: &str, from_to: fn(&Lab) -> Result<(Place, SocketAddr)>) -> Play {
    let ended = stage.observe(1, REQUESTS, |lab| {
        let (place, to) = from_to(lab)?;
        all_answered(place.run(&Script::keep_alive(to, vec![Request::get("/"); REQUESTS]))?, REQUESTS)
    })?;
    let named = ended.of("bypassed").iter().all(|verdict| {
        let of = |name: &str| verdict["explanation"]["sender"][name].as_str().unwrap_or_default().to_owned();
        of("owner").starts_with(sender) || of("address").starts_with(sender)
    });
    stage.check("every verdict names the sender", named);
    Ok(Expected::exit(1).bypassed("DirectConnection", REQUESTS as u64))
}

pub fn replay(stage: &mut Stage) -> Play {
    const EACH: usize = 5;
    stage.observe(EACH as u64, 3 * EACH, |lab| {
        let client = lab.client("client-1")?;
        let request = |n: usize| {
            Request::get("/order")
                .header("traceparent", &traceparent(n as u64))
                .header("x-request-id", &format!("3f2504e0-4f89-41d3-9a0c-{n:012}"))
                .header("x-forwarded-for", past::GENUINE)
        };
        let all = || (0..EACH).map(request);
        let backend = lab.pod("hello-backend-1")?;
        let front = lab.gateway("hello-gateway")?;
        for to in [backend, front, backend] {
            all_answered(client.run(&Script::keep_alive(to, all()))?, EACH)?;
        }
        Ok(())
    })?;
    Ok(Expected::exit(1).verified(EACH as u64).bypassed("DirectConnection", 2 * EACH as u64))
}
