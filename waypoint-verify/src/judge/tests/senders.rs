//! Senders that nobody saw, that are exempt, and copies.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scene::{Scene, TARGET, link, listener, owner, policy};
use super::trails::{from_waypoint, last, past};
use crate::evidence::{End, Evidence};
use crate::link::Link;
use crate::model::{CompiledPolicy, ExemptFrom, Exemption, MessageKey, Owner, Process, Reason, Side};

#[test]
fn an_unseen_sender_is_named_by_where_its_address_is_and_excused_by_what_was_not_covered() {
    let rows = [
        ("203.0.113.9:1", true, "Bypassed(DirectConnection)"),
        ("192.168.0.1:1", true, "Bypassed(DirectConnection)"),
        ("10.244.7.7:1", true, "Bypassed(UnknownSender)"),
        ("[::ffff:10.244.7.7]:1", true, "Bypassed(UnknownSender)"),
        ("203.0.113.9:1", false, "Unverified(notCovered)"),
    ];
    for (peer, covered, expected) in rows {
        let mut scene = Scene::default();
        scene.judge.set_coverage(covered);
        let conn = scene.connect_from("", peer.parse().unwrap(), "backend", TARGET.parse().unwrap());
        let key = MessageKey { conn, offset: 0, stream: 0 };
        scene.arrive_as(key, 5, peer);
        scene.tell(Evidence::Received { key, whole: true, at: 9 });
        scene.tick();
        scene.tick();
        assert_eq!(scene.verdict(key), expected, "{peer}");
    }
}

#[test]
fn exempt_is_what_a_named_sender_sent_itself() {
    let pods = |name: &str| ExemptFrom::Pods(BTreeSet::from([format!("uid-{name}")]));
    let exempting = |from: ExemptFrom, ports: &[u16]| {
        let exempt = vec![Exemption { from, ports: ports.iter().copied().collect(), reason: "why".into() }];
        CompiledPolicy { exempt, ..policy() }
    };
    type Row = (CompiledPolicy, fn(&mut Scene) -> MessageKey, u64);
    let rows: [Row; 10] = [
        (exempting(ExemptFrom::Kubelet, &[]), |s| s.direct("kubelet"), 1),
        (exempting(ExemptFrom::Kubelet, &[]), |s| s.direct("other-kubelet"), 0),
        (exempting(ExemptFrom::Kubelet, &[]), |s| s.direct("client/kubelet"), 0),
        (exempting(ExemptFrom::Kubelet, &[9090]), |s| s.direct("kubelet"), 0),
        (exempting(pods("prometheus"), &[8084]), |s| s.direct("prometheus"), 1),
        (exempting(pods("prometheus"), &[8084]), |s| s.direct("client"), 0),
        (exempting(pods("client"), &[]), |s| past(s, "client", "side"), 1),
        (exempting(pods("waypoint"), &[]), |s| from_waypoint(s, |_| link(&[]), None), 1),
        (exempting(pods("waypoint"), &[]), |s| from_waypoint(s, |l| Link { wild: Some(Reason::Gap), ..l }, None), 0),
        (
            exempting(pods("client"), &[]),
            |s| {
                let causes = ["client", "prometheus"].map(|from| s.enter(from, "envoy", listener("side")));
                last(s, link(&causes))
            },
            0,
        ),
    ];
    for (at, (policy, play, expected)) in rows.into_iter().enumerate() {
        let mut scene = Scene::of([policy]);
        play(&mut scene);
        scene.tick();
        assert_eq!(scene.tally().exempt.values().sum::<u64>(), expected, "row {at}");
        assert_eq!(scene.tally().bypasses() + scene.tally().unverifieds(), 1 - expected, "row {at}");
    }
}

#[test]
fn a_copy_that_is_made_behind_the_waypoint_is_a_mirror_and_one_made_before_it_a_bypass() {
    let mut scene = Scene::default();
    from_waypoint(&mut scene, |link| link, None);
    let cause = scene.enter("client", "envoy", listener("front"));
    let [entered, sent, key] = scene.through(&[cause]);
    scene.arrive(key);
    let copy = Link { mirror: true, counted: false, ..link(&[sent]) };
    last(&mut scene, copy);
    scene.settle(&[entered, sent, key]);
    scene.tick();
    assert_eq!((scene.tally().verified, scene.tally().mirrors), (2, 1));
    last(&mut scene, Link { mirror: true, counted: false, ..link(&[cause]) });
    scene.tick();
    assert_eq!((scene.tally().mirrors, scene.tally().bypasses()), (1, 1));
}

/// Whoever can make a second connection that looks like an exempt one must not be exempt by that.
#[test]
fn a_connection_of_which_two_claim_an_end_exempts_nobody() {
    let from = ExemptFrom::Pods(BTreeSet::from(["uid-prometheus".to_owned()]));
    let exempt = vec![Exemption { from, ports: BTreeSet::new(), reason: "why".into() }];
    let mut scene = Scene::of([CompiledPolicy { exempt, ..policy() }]);
    let key = scene.direct("prometheus");
    let end = End {
        owner: owner("client"),
        process: None,
        local: "10.244.0.3:9".parse().unwrap(),
        remote: TARGET.parse().unwrap(),
        at: 3,
    };
    scene.tell(Evidence::Opened { conn: key.conn, side: Side::Active, end: Arc::new(end) });
    scene.tick();
    assert_eq!((scene.verdict(key).as_str(), scene.tally().exempt.len()), ("Unverified(conflict)", 0));
}

/// Rows: the cgroup of a process of the node, its name, and whether it is the kubelet.
#[test]
fn the_kubelet_is_known_by_its_unit_or_by_its_name() {
    for (cgroup, comm, exempt) in [
        ("/system.slice/kubelet.service", Some("kubelet"), 1),
        ("/system.slice/kubelet.service", None, 1),
        ("/kubelet", Some("kubelet"), 1),
        ("/user.slice", Some("curl"), 0),
        ("/user.slice", None, 0),
    ] {
        let kubelet = Exemption { from: ExemptFrom::Kubelet, ports: BTreeSet::new(), reason: "why".into() };
        let mut scene = Scene::of([CompiledPolicy { exempt: vec![kubelet], ..policy() }]);
        let conn = scene.connect("", "backend", TARGET.parse().unwrap());
        let end = End {
            owner: Owner::Host { node: "node-1".into(), cgroup: cgroup.into() },
            process: comm.map(|comm| Process { pid: 7, comm: comm.into() }),
            local: "10.244.0.1:4000".parse().unwrap(),
            remote: TARGET.parse().unwrap(),
            at: 3,
        };
        scene.tell(Evidence::Opened { conn, side: Side::Active, end: Arc::new(end) });
        scene.arrive(MessageKey { conn, offset: 0, stream: 0 });
        scene.tick();
        assert_eq!(scene.tally().exempt.values().sum::<u64>(), exempt, "{cgroup} {comm:?}");
    }
}
