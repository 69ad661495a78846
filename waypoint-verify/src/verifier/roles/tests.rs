use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::evidence::{End, RequestLine};
use crate::judge::{Judge, Judged, Limits};
use crate::link::Link;
use crate::link::guard::Constraints;
use crate::model::{
    CompiledPolicy, ConnKey, ContainerRef, Guards, Listener, MessageKey, NamespacedName, Owner, PodRef, ProxySpec,
    Reason, Side,
};

const GATEWAYS: [&str; 3] = ["front", "back", "side"];
const PROXIES: [&str; 3] = ["envoy", "waypoint-a", "waypoint-b"];

fn name(name: &str) -> NamespacedName {
    NamespacedName { namespace: "ns".into(), name: name.into() }
}

fn container(name: &str) -> Arc<ContainerRef> {
    let pod = PodRef { namespace: "ns".into(), name: name.into(), uid: format!("uid-{name}") };
    Arc::new(ContainerRef { node: "node-1".into(), pod, name: name.into(), id: name.into() })
}

fn listener(at: usize) -> SocketAddr {
    SocketAddr::from(([10, 96, 0, u8::try_from(at).unwrap()], 80))
}

/// Two policies, each with a waypoint and a target of its own, behind the same gateways.
fn watch(policies: &[&str]) -> WatchList {
    let policies = policies.iter().map(|which| {
        Arc::new(CompiledPolicy {
            name: name(which),
            targets: BTreeSet::from([format!("uid-backend-{which}")]),
            waypoint: BTreeSet::from([format!("waypoint-{which}")]),
            via: vec![name("back")],
            entry: (*which == "a").then(|| BTreeSet::from([name("front")])),
            exempt: Vec::new(),
            window: Duration::from_secs(600),
        })
    });
    let proxy = |id: &str| {
        let kind = if id == "envoy" { ProxyKind::Gateway } else { ProxyKind::Waypoint };
        (id.to_owned(), Arc::new(ProxySpec { kind, guards: Guards::default() }))
    };
    let all = ["client", "backend-a", "backend-b"].iter().chain(&PROXIES);
    let listeners = GATEWAYS.iter().enumerate();
    WatchList {
        containers: all.map(|id| ((*id).to_owned(), container(id))).collect(),
        proxies: PROXIES.map(proxy).into(),
        protected: ["uid-backend-a", "uid-backend-b"].map(str::to_owned).into(),
        listeners: listeners.map(|(at, of)| (listener(at), Listener { gateway: name(of), port: 80 })).collect(),
        policies: policies.collect(),
        ..WatchList::default()
    }
}

/// One request: the proxies that it goes through, where it ends, and what is odd about it.
#[derive(Clone, Debug)]
struct Way {
    /// Proxy, the Gateway whose address it enters at, and whether its departure is linked to the entry.
    hops: Vec<(usize, usize, bool)>,
    target: &'static str,
    settled: bool,
    overdrawn: bool,
    unreadable: bool,
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let linked = prop::bool::weighted(0.9);
    let any = prop::collection::vec((0..PROXIES.len(), 0..GATEWAYS.len(), linked), 0..4);
    let compliant = |waypoint| vec![(0, 0, true), (waypoint, 0, true), (0, 1, true)];
    let hops = prop_oneof![2 => any, 1 => Just(compliant(1)), 1 => Just(compliant(2))];
    let odd = prop::bool::weighted(0.1);
    let target = prop::sample::select(vec!["backend-a", "backend-b"]);
    let way = (hops, target, prop::bool::weighted(0.8), odd, odd);
    let way = way.prop_map(|(hops, target, settled, overdrawn, unreadable)| Way {
        hops,
        target,
        settled,
        overdrawn,
        unreadable,
    });
    prop::collection::vec(way, 1..12)
}

fn link(cause: Option<MessageKey>) -> Link {
    Link {
        candidates: cause.into_iter().collect(),
        more: false,
        wild: None,
        mirror: false,
        foreign_process: false,
        counted: cause.is_some(),
        used: Constraints::default(),
    }
}

/// What agents tell of it. `n`: which request it is.
fn evidence(way: &Way, n: u32) -> Vec<Evidence> {
    let mut told = Vec::new();
    let (local, at) = (SocketAddr::from(([10, 244, 0, 1], 4000)), 5);
    let (mut sender, mut cause) = ("client", None);
    let mut departures = Vec::new();
    let last = (way.target, SocketAddr::from(([10, 244, 0, 9], 8084)), true);
    let hops = way.hops.iter().map(|(proxy, gateway, linked)| (PROXIES[*proxy], listener(*gateway), *linked));
    for (step, (receiver, remote, linked)) in (0..).zip(hops.chain([last])) {
        let conn = ConnKey { client_isn: n * 16 + step, server_isn: 7 };
        let key = MessageKey { conn, offset: 0, stream: 0 };
        for (side, of) in [(Side::Active, sender), (Side::Passive, receiver)] {
            let end = End { owner: Owner::Container(container(of)), process: None, local, remote, at };
            told.push(Evidence::Opened { conn, side, end: Arc::new(end) });
        }
        if sender != "client" {
            let link = link(cause);
            let instance = container(sender);
            told.push(Evidence::Departed { key, instance, digest: 5, link, unknown_creator: None, at });
            departures.push((sender, key));
        }
        if receiver == way.target {
            let at_pod = container(receiver);
            if way.unreadable {
                let (reason, detail) = (Reason::Opaque, String::new());
                let (stream, conn) = (u64::from(n), Some(conn));
                told.push(Evidence::Unreadable {
                    stream,
                    conn,
                    at_pod,
                    local: remote,
                    peer: local,
                    reason,
                    detail,
                    at,
                });
                continue;
            }
            let request = Arc::new(RequestLine::default());
            told.push(Evidence::Arrived { key, at_pod, local: remote, peer: local, request, digest: 5, at });
            told.push(Evidence::Received { key, whole: true, at });
        } else {
            let instance = container(receiver);
            told.push(Evidence::Entered { key, instance, local: remote, peer: local, digest: 5, at });
            cause = linked.then_some(key);
        }
        sender = receiver;
    }
    for (proxy, key) in departures {
        if way.overdrawn {
            let (instance, class) = (container(proxy), u64::from(n));
            told.push(Evidence::Overdrawn { instance, class, unpaid: vec![key], shared: Vec::new() });
        } else if way.settled {
            told.push(Evidence::Settled { keys: SmallVec::from_elem(key, 1) });
        }
    }
    told
}

fn verdicts(watch: WatchList, told: &[Evidence], relevant: Option<&Relevant>) -> Vec<String> {
    let mut judge = Judge::new(Arc::new(watch), Limits::default());
    judge.set_coverage(true);
    let mut judged: Vec<Judged> = Vec::new();
    judge.apply(Evidence::Tick { at: 1 }, &mut judged);
    for one in told.iter().filter(|one| relevant.is_none_or(|relevant| relevant.takes(one))) {
        judge.apply_of("node-1", one.clone(), &mut judged);
    }
    for at in 10..13 {
        judge.apply(Evidence::Tick { at }, &mut judged);
    }
    let said = judged.iter().map(|one| {
        let Judged { policy, key, verdict, class, is_final, .. } = one;
        format!("{policy} {key:?} {verdict} {class:?} {is_final}")
    });
    let tallies = judge.tallies().map(|(policy, tally)| {
        // How overdrawn classes that no request of this policy is of are numbered is nobody's concern.
        let counts = (tally.requests, tally.verified, &tally.bypassed, &tally.unverified, tally.forced, tally.lost);
        format!("{policy} {:?} {counts:?}", tally.verdict(1))
    });
    let mut all: Vec<_> = said.chain(tallies).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_policy_is_judged_alike_whether_its_verifier_judges_others_too(ways in ways()) {
        let told: Vec<_> = (1..).zip(&ways).flat_map(|(n, way)| evidence(way, n)).collect();
        let together = verdicts(watch(&["a", "b"]), &told, None);
        for which in ["a", "b"] {
            let relevant = Relevant::to(&watch(&[which]));
            prop_assert!(told.iter().any(|one| !relevant.takes(one)) || ways.len() < 12);
            let alone = verdicts(watch(&[which]), &told, Some(&relevant));
            let ours: Vec<_> = together.iter().filter(|line| line.starts_with(&name(which).to_string())).collect();
            prop_assert_eq!(alone.iter().collect::<Vec<_>>(), ours);
        }
    }
}

#[test]
fn compliant_requests_are_verified_in_this_world() {
    let way = |waypoint, target| Way {
        hops: vec![(0, 0, true), (waypoint, 0, true), (0, 1, true)],
        target,
        settled: true,
        overdrawn: false,
        unreadable: false,
    };
    let told: Vec<_> = [evidence(&way(1, "backend-a"), 1), evidence(&way(1, "backend-b"), 2)].concat();
    for (which, expected) in [("a", "Verified"), ("b", "Bypassed")] {
        let said = verdicts(watch(&[which]), &told, Some(&Relevant::to(&watch(&[which]))));
        assert!(said.iter().any(|line| line.contains(expected)), "{said:?}");
    }
}

#[test]
fn who_had_a_role_until_now_is_known_and_who_never_had_one_is_not() {
    let told = evidence(
        &Way { hops: vec![(1, 0, true)], target: "backend-b", settled: true, overdrawn: true, unreadable: false },
        1,
    );
    let batch = Batch { node: "node-1".into(), epoch: 1, sequence: 0, evidence: told, answer: None };
    let mut watch = watch(&["a", "b"]);
    assert_eq!(Roles::new(&watch, std::iter::empty()).unknown(&batch), BTreeSet::new());
    watch.protected.remove("uid-backend-b");
    watch.proxies.remove("waypoint-a");
    let unknown = BTreeSet::from(["uid-backend-b", "waypoint-a"]);
    assert_eq!(Roles::new(&watch, std::iter::empty()).unknown(&batch), unknown);
    let lost = ["uid-backend-b".to_owned()];
    assert_eq!(Roles::new(&watch, lost.iter()).unknown(&batch), BTreeSet::from(["waypoint-a"]));
}
