//! A few containers, and evidence about them in few words.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::evidence::{End, Evidence, RequestLine};
use crate::judge::{Judge, Judged, Limits, Tally};
use crate::link::Link;
use crate::link::guard::Constraints;
use crate::model::{
    CompiledPolicy, ConnKey, ContainerRef, Guards, Listener, MessageKey, NamespacedName, Owner, PodRef, Process,
    ProxyKind, ProxySpec, Reason, Side, WatchList,
};

pub const TARGET: &str = "10.244.0.9:8084";

pub fn gateway(name: &str) -> NamespacedName {
    NamespacedName { namespace: "ns".into(), name: name.into() }
}

/// Container `pod/name`; without a name the inventory does not know it.
pub fn container(of: &str) -> Arc<ContainerRef> {
    let (pod, name) = of.split_once('/').unwrap_or((of, of));
    let pod = PodRef { namespace: "ns".into(), name: pod.into(), uid: format!("uid-{pod}") };
    Arc::new(ContainerRef { node: "node-1".into(), pod, name: name.into(), id: of.into() })
}

pub fn owner(of: &str) -> Owner {
    match of {
        "kubelet" => Owner::Host { node: "node-1".into(), cgroup: "/system.slice/kubelet.service".into() },
        "other-kubelet" => Owner::Host { node: "node-2".into(), cgroup: "/system.slice/kubelet.service".into() },
        "host" => Owner::Host { node: "node-1".into(), cgroup: "/user.slice".into() },
        "unknown" => Owner::Unknown { cgroup_id: 7, path: None },
        _ => Owner::Container(container(of)),
    }
}

/// Where requests enter, by the name of the Gateway.
pub fn listener(name: &str) -> SocketAddr {
    let last = ["front", "back", "side", "nowhere"].iter().position(|known| *known == name).expect("a known Gateway");
    SocketAddr::from(([10, 96, 0, u8::try_from(last).unwrap()], 80))
}

pub fn policy() -> CompiledPolicy {
    CompiledPolicy {
        name: gateway("policy"),
        targets: BTreeSet::from(["uid-backend".into()]),
        waypoint: BTreeSet::from(["waypoint".into()]),
        via: vec![gateway("back")],
        entry: Some(BTreeSet::from([gateway("front")])),
        exempt: Vec::new(),
        window: Duration::from_secs(600),
    }
}

pub struct Scene {
    pub judge: Judge,
    pub judged: Vec<Judged>,
    pub now: u64,
    isn: u32,
}

impl Default for Scene {
    fn default() -> Self {
        Self::of([policy()])
    }
}

impl Scene {
    pub fn of(policies: impl IntoIterator<Item = CompiledPolicy>) -> Self {
        Self::bounded(policies, Limits::default())
    }

    pub fn bounded(policies: impl IntoIterator<Item = CompiledPolicy>, limits: Limits) -> Self {
        let judge = Judge::new(Arc::new(Self::watch(policies)), limits);
        let mut scene = Self { judge, judged: Vec::new(), now: 0, isn: 0 };
        scene.tick();
        scene
    }

    pub fn watch(policies: impl IntoIterator<Item = CompiledPolicy>) -> WatchList {
        let proxy = |kind| Arc::new(ProxySpec { kind, guards: Guards::default() });
        let policies: Vec<_> = policies.into_iter().map(Arc::new).collect();
        let known = ["client", "client/sidecar", "envoy", "waypoint", "backend", "prometheus"];
        let listeners = ["front", "back", "side"];
        WatchList {
            containers: known.into_iter().map(|name| (name.into(), container(name))).collect(),
            proxies: [("envoy", ProxyKind::Gateway), ("waypoint", ProxyKind::Waypoint)]
                .map(|(id, kind)| (id.into(), proxy(kind)))
                .into(),
            protected: policies.iter().flat_map(|policy| policy.targets.clone()).collect(),
            listeners: listeners
                .map(|name| (listener(name), Listener { gateway: gateway(name), port: 80 }))
                .into_iter()
                .collect(),
            cluster_addresses: vec![([10, 244, 0, 0].into(), 16), ([192, 168, 0, 1].into(), 32)],
            policies,
            ..WatchList::default()
        }
    }

    pub fn tell(&mut self, evidence: Evidence) {
        self.judge.apply(evidence, &mut self.judged);
    }

    pub fn tick(&mut self) {
        self.now += 1_000_000;
        self.tell(Evidence::Tick { at: self.now });
        self.now += 1;
    }

    /// What is told of another time.
    pub fn at(&mut self, at: u64, tell: impl FnOnce(&mut Self)) {
        let now = std::mem::replace(&mut self.now, at);
        tell(self);
        self.now = now;
    }

    /// `from` empty: nobody who is seen.
    pub fn connect(&mut self, from: &str, to: &str, remote: SocketAddr) -> ConnKey {
        self.connect_from(from, SocketAddr::from(([10, 244, 0, 1], 4000)), to, remote)
    }

    pub fn connect_from(&mut self, from: &str, local: SocketAddr, to: &str, remote: SocketAddr) -> ConnKey {
        self.connect_over(from, local, to, (remote, remote))
    }

    fn connect_over(
        &mut self,
        from: &str,
        local: SocketAddr,
        to: &str,
        (dialled, remote): (SocketAddr, SocketAddr),
    ) -> ConnKey {
        self.isn += 1;
        let conn = ConnKey { client_isn: self.isn, server_isn: 1000 + self.isn };
        if !from.is_empty() {
            let process = Some(Process { pid: 7, comm: "curl".into() });
            let end = End { owner: owner(from), process, local, remote: dialled, at: self.now };
            self.tell(Evidence::Opened { conn, side: Side::Active, end: Arc::new(end) });
        }
        let end = End { owner: owner(to), process: None, local: remote, remote: local, at: self.now };
        self.tell(Evidence::Opened { conn, side: Side::Passive, end: Arc::new(end) });
        conn
    }

    /// A request of `from` that entered `proxy` at this address.
    pub fn enter(&mut self, from: &str, proxy: &str, local: SocketAddr) -> MessageKey {
        let conn = self.connect(from, proxy, local);
        self.enter_on(conn, proxy, local)
    }

    fn enter_on(&mut self, conn: ConnKey, proxy: &str, local: SocketAddr) -> MessageKey {
        let key = MessageKey { conn, offset: 0, stream: 0 };
        let (instance, peer) = (container(proxy), SocketAddr::from(([10, 244, 0, 1], 4000)));
        self.tell(Evidence::Entered { key, instance, local, peer, digest: 5, at: self.now });
        key
    }

    /// A request that `proxy` sent to `to` for one of these causes.
    pub fn depart(&mut self, proxy: &str, causes: &[MessageKey], to: &str, remote: SocketAddr) -> MessageKey {
        self.depart_as(proxy, link(causes), None, to, remote)
    }

    pub fn depart_as(
        &mut self,
        proxy: &str,
        link: Link,
        unknown_creator: Option<Reason>,
        to: &str,
        remote: SocketAddr,
    ) -> MessageKey {
        self.depart_over(proxy, link, unknown_creator, (remote, remote), to)
    }

    /// Translated on its way: `dialled`, but accepted at `remote`.
    pub fn depart_to(
        &mut self,
        proxy: &str,
        link: Link,
        dialled: SocketAddr,
        to: &str,
        remote: SocketAddr,
    ) -> MessageKey {
        self.depart_over(proxy, link, None, (dialled, remote), to)
    }

    fn depart_over(
        &mut self,
        proxy: &str,
        link: Link,
        unknown_creator: Option<Reason>,
        (dialled, remote): (SocketAddr, SocketAddr),
        to: &str,
    ) -> MessageKey {
        let conn = self.connect_over(proxy, SocketAddr::from(([10, 244, 0, 1], 4000)), to, (dialled, remote));
        let key = MessageKey { conn, offset: 0, stream: 0 };
        let instance = container(proxy);
        self.tell(Evidence::Departed { key, instance, digest: 5, link, unknown_creator, at: self.now });
        if to != "backend" {
            self.enter_on(conn, to, remote);
        }
        key
    }

    /// All the way, for one of the causes at the first gateway; the keys of the departures, the last one arrives.
    pub fn through(&mut self, causes: &[MessageKey]) -> [MessageKey; 3] {
        let waypoint = "10.244.0.5:8081".parse().unwrap();
        let to_waypoint = self.depart("envoy", causes, "waypoint", waypoint);
        let to_gateway = self.depart("waypoint", &[to_waypoint], "envoy", listener("back"));
        let to_target = self.depart("envoy", &[to_gateway], "backend", TARGET.parse().unwrap());
        [to_waypoint, to_gateway, to_target]
    }

    pub fn compliant(&mut self) -> [MessageKey; 3] {
        let cause = self.enter("client", "envoy", listener("front"));
        let keys = self.through(&[cause]);
        self.arrive(keys[2]);
        keys
    }

    pub fn direct(&mut self, from: &str) -> MessageKey {
        let conn = self.connect(from, "backend", TARGET.parse().unwrap());
        let key = MessageKey { conn, offset: 0, stream: 0 };
        self.arrive(key);
        key
    }

    pub fn arrive(&mut self, key: MessageKey) {
        self.arrive_as(key, 5, "10.244.0.1:4000");
        self.tell(Evidence::Received { key, whole: true, at: self.now });
    }

    pub fn arrive_as(&mut self, key: MessageKey, digest: u64, peer: &str) {
        self.tell(Evidence::Arrived {
            key,
            at_pod: container("backend"),
            local: TARGET.parse().unwrap(),
            peer: peer.parse().unwrap(),
            request: Arc::new(RequestLine::default()),
            digest,
            at: self.now,
        });
    }

    pub fn settle(&mut self, keys: &[MessageKey]) {
        for key in keys {
            self.tell(Evidence::Settled { keys: SmallVec::from_elem(*key, 1) });
        }
    }

    pub fn overdraw(&mut self, proxy: &str, unpaid: &[MessageKey], shared: &[MessageKey]) {
        let shared = shared.iter().map(|key| vec![*key]).collect();
        self.tell(Evidence::Overdrawn { instance: container(proxy), class: 1, unpaid: unpaid.to_vec(), shared });
    }

    pub fn tally(&self) -> &Tally {
        self.judge.tallies().next().unwrap().1
    }

    /// The last verdict on this arrival, in words.
    pub fn verdict(&self, key: MessageKey) -> String {
        let last = self.judged.iter().rev().find(|judged| judged.key == key);
        last.map_or("none".into(), |judged| {
            let provisional = if judged.is_final { "" } else { " (provisional)" };
            format!("{}{provisional}", judged.verdict)
        })
    }
}

pub fn link(causes: &[MessageKey]) -> Link {
    Link {
        candidates: causes.iter().copied().collect(),
        more: false,
        wild: None,
        mirror: false,
        foreign_process: false,
        counted: !causes.is_empty(),
        used: Constraints::default(),
    }
}
