use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::evidence::{End, RequestLine};
use crate::judge::PolicyVerdict;
use crate::model::{CompiledPolicy, ConnKey, ContainerRef, Owner, PodRef, Side};
use crate::verifier::picture::Policy;

fn name() -> NamespacedName {
    NamespacedName { namespace: "ns".into(), name: "policy".into() }
}

fn container(name: &str) -> Arc<ContainerRef> {
    let pod = PodRef { namespace: "ns".into(), name: name.into(), uid: name.into() };
    Arc::new(ContainerRef { node: "n".into(), pod, name: "c".into(), id: name.into() })
}

/// With one policy of one target, which is accepted or not.
fn picture(accepted: bool, generation: i64) -> Picture {
    let policy = CompiledPolicy {
        name: name(),
        targets: BTreeSet::from(["target".to_owned()]),
        waypoint: BTreeSet::new(),
        via: Vec::new(),
        entry: None,
        exempt: Vec::new(),
        window: Duration::from_secs(600),
    };
    let known = ["target", "client"].map(|name| (name.to_owned(), container(name)));
    let policies = if accepted { vec![Arc::new(policy)] } else { Vec::new() };
    let watch = WatchList { containers: known.into(), policies, ..WatchList::default() };
    let of = Policy { uid: "u".into(), generation, errors: Vec::new(), findings: Vec::new(), canary: None };
    Picture { watch: Arc::new(watch), policies: [(name(), of)].into(), ..Picture::default() }
}

fn judges() -> Judges {
    let mut judges = Judges::new(judge::Limits::default(), Vec::new(), 0);
    judges.set_picture(&picture(true, 1), 1, Timestamp::UNIX_EPOCH);
    tick(&mut judges, 2);
    judges
}

fn tick(judges: &mut Judges, at: BootNs) {
    let coverage = Coverage { seen: BTreeSet::from(["n".to_owned()]), ..Coverage::default() };
    judges.tick(at, Timestamp::UNIX_EPOCH, &coverage);
}

/// A request that a client sent to the target itself.
fn bypass(judges: &mut Judges, n: u32) {
    let (conn, at) = (ConnKey { client_isn: n, server_isn: n }, 3);
    let key = MessageKey { conn, offset: 0, stream: 0 };
    let (local, peer): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let end = |of, local, remote| End { owner: Owner::Container(container(of)), process: None, local, remote, at };
    let request = Arc::new(RequestLine::default());
    for evidence in [
        Evidence::Opened { conn, side: Side::Active, end: Arc::new(end("client", peer, local)) },
        Evidence::Opened { conn, side: Side::Passive, end: Arc::new(end("target", local, peer)) },
        Evidence::Arrived { key, at_pod: container("target"), local, peer, request, digest: 1, at },
        Evidence::Received { key, whole: true, at },
    ] {
        judges.apply(Testimony { node: "n".into(), evidence });
    }
}

fn said(judges: &Judges) -> Option<(u64, u64, PolicyVerdict)> {
    let said = &judges.record(&name())?.said;
    Some((said.bypasses(), said.lost, said.verdict(1, 0, true)))
}

#[test]
fn a_bypass_is_not_forgotten_because_the_policy_was_not_accepted_for_a_moment() {
    let mut judges = judges();
    bypass(&mut judges, 1);
    tick(&mut judges, 10);
    assert_eq!(said(&judges), Some((1, 0, PolicyVerdict::False)));
    judges.set_picture(&picture(false, 1), 11, Timestamp::UNIX_EPOCH);
    bypass(&mut judges, 2);
    tick(&mut judges, 12);
    assert_eq!(said(&judges), Some((1, 0, PolicyVerdict::False)), "nobody judges meanwhile");
    judges.set_picture(&picture(true, 1), 13, Timestamp::UNIX_EPOCH);
    tick(&mut judges, 14);
    assert_eq!(said(&judges), Some((1, 1, PolicyVerdict::False)), "and that is a loss");
    bypass(&mut judges, 3);
    tick(&mut judges, 15);
    assert_eq!(said(&judges), Some((2, 1, PolicyVerdict::False)));
}

#[test]
fn without_one_it_begins_anew_and_so_does_another_spec() {
    let mut first = judges();
    first.set_picture(&picture(false, 1), 11, Timestamp::UNIX_EPOCH);
    assert_eq!(said(&first), None);
    first.set_picture(&picture(true, 1), 12, Timestamp::UNIX_EPOCH);
    assert_eq!(said(&first), Some((0, 0, PolicyVerdict::Unknown)));

    let mut second = judges();
    bypass(&mut second, 1);
    tick(&mut second, 10);
    second.set_picture(&picture(false, 2), 11, Timestamp::UNIX_EPOCH);
    assert_eq!(said(&second), None);
}

#[test]
fn what_was_not_accepted_leaves_the_window_all_the_same() {
    let mut judges = judges();
    bypass(&mut judges, 1);
    tick(&mut judges, 10);
    judges.set_picture(&picture(false, 1), 11, Timestamp::UNIX_EPOCH);
    tick(&mut judges, 601_000_000_000);
    assert_eq!(said(&judges), Some((0, 0, PolicyVerdict::Unknown)));
    judges.set_picture(&picture(false, 1), 601_000_000_001, Timestamp::UNIX_EPOCH);
    assert_eq!(said(&judges), None);
}
