//! Who is who in the small cluster, and what its machine answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use waypoint_verify::model::{
    Appends, CompiledPolicy, ContainerRef, Exemption, ForwardedFor, Guards, Listener, NamespacedName, Owner, PodRef,
    ProxyKind, ProxySpec, WatchList,
};
use waypoint_verify::trace::Machine;

pub const CLIENT: u64 = 1;
pub const ENVOY: u64 = 2;
pub const CADDY: u64 = 3;
pub const BACKEND: u64 = 4;
pub const SIDECAR: u64 = 5;
/// A container of the waypoint's pod that the inventory does not know: restarted, or an ephemeral one.
pub const STRANGER: u64 = 6;
pub const ATTACKER: u64 = 7;
/// The node's own processes.
pub const HOST: u64 = 8;
/// Another protected pod, of another policy.
pub const SECOND: u64 = 9;

pub const ENTRY: &str = "10.96.0.1:80";
pub const UPSTREAM: &str = "10.96.0.2:8082";
pub const OTHER: &str = "10.96.0.3:80";
pub const WAYPOINT: &str = "10.244.1.3:8081";
pub const TARGET: &str = "10.244.1.4:8084";

pub const PROXY_PID: u32 = 100;

pub fn name(namespace: &str, name: &str) -> NamespacedName {
    NamespacedName { namespace: namespace.into(), name: name.into() }
}

pub fn container(cgroup: u64) -> Arc<ContainerRef> {
    let pod = |name: &str| PodRef { namespace: "hello".into(), name: name.into(), uid: format!("uid-{name}") };
    let (pod, name) = match cgroup {
        CLIENT => (pod("client"), "client"),
        ENVOY => (pod("cilium-envoy"), "cilium-envoy"),
        CADDY => (pod("waypoint"), "caddy"),
        SIDECAR => (pod("waypoint"), "sidecar"),
        STRANGER => (pod("waypoint"), ""),
        ATTACKER => (pod("attacker"), "attacker"),
        SECOND => (pod("second"), "second"),
        _ => (pod("backend"), "backend"),
    };
    Arc::new(ContainerRef { node: "node-1".into(), pod, name: name.into(), id: format!("id-{cgroup}") })
}

#[derive(Debug)]
pub struct Cgroups;

impl Machine for Cgroups {
    fn owner(&mut self, cgroup: u64) -> Owner {
        match cgroup {
            HOST => Owner::Host { node: "node-1".into(), cgroup: "/system.slice/kubelet.service".into() },
            0 => Owner::Unknown { cgroup_id: 0, path: None },
            _ => Owner::Container(container(cgroup)),
        }
    }

    fn is_proxy_process(&mut self, _: &ContainerRef, pid: u32) -> bool {
        pid == PROXY_PID
    }

    fn listens(&mut self, _: &ContainerRef, address: SocketAddr) -> bool {
        address.port() < 10_000
    }
}

pub fn policy() -> CompiledPolicy {
    CompiledPolicy {
        name: name("hello", "policy"),
        targets: BTreeSet::from(["uid-backend".into()]),
        waypoint: BTreeSet::from([format!("id-{CADDY}")]),
        via: vec![name("hello", "hello-upstream")],
        entry: Some(BTreeSet::from([name("hello", "hello-gateway")])),
        exempt: Vec::<Exemption>::new(),
        window: Duration::from_secs(600),
    }
}

pub fn gateway_guards() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Appends(Appends::Envoy),
        method: Some(BTreeSet::new()),
        path: Some(BTreeSet::new()),
        authority: Some(BTreeSet::new()),
        end_to_end_headers: true,
        body: true,
        trace: true,
        own_addresses: BTreeSet::from(["10.244.1.100".parse().unwrap()]),
        ..Guards::default()
    }
}

pub fn waypoint_guards() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Replaces,
        method: Some(BTreeSet::new()),
        path: Some(BTreeSet::new()),
        authority: Some(BTreeSet::new()),
        body: true,
        ..Guards::default()
    }
}

pub fn watch_list(policy: CompiledPolicy, gateway: Guards, waypoint: Guards) -> WatchList {
    let listener = |name_: &str, port| Listener { gateway: name("hello", name_), port };
    WatchList {
        revision: 1,
        containers: [CLIENT, ENVOY, CADDY, BACKEND, SIDECAR, ATTACKER, SECOND]
            .into_iter()
            .map(|c| (format!("id-{c}"), container(c)))
            .collect(),
        pods: BTreeMap::new(),
        proxies: BTreeMap::from([
            (format!("id-{ENVOY}"), Arc::new(ProxySpec { kind: ProxyKind::Gateway, guards: gateway })),
            (format!("id-{CADDY}"), Arc::new(ProxySpec { kind: ProxyKind::Waypoint, guards: waypoint })),
        ]),
        protected: policy.targets.clone(),
        listeners: BTreeMap::from([
            (ENTRY.parse().unwrap(), listener("hello-gateway", 80)),
            (UPSTREAM.parse().unwrap(), listener("hello-upstream", 8082)),
            (OTHER.parse().unwrap(), listener("other-gateway", 80)),
        ]),
        cluster_addresses: vec![("10.244.0.0".parse().unwrap(), 16), ("192.168.0.1".parse().unwrap(), 32)],
        policies: vec![Arc::new(policy)],
        findings: Vec::new(),
    }
}
