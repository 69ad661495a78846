//! What is forgotten because of a bound is missed, never misjudged.

use super::scene::{Scene, TARGET, container, gateway, link, listener, policy};
use crate::evidence::Evidence;
use crate::judge::{Explain, Limits, Tally};
use crate::model::{CompiledPolicy, MessageKey, Side};

fn of(messages: usize, connections: usize) -> Scene {
    Scene::bounded([policy()], Limits { messages, connections, explain: Explain::Everything })
}

#[test]
fn an_arrival_that_is_forgotten_before_it_was_final_is_evicted_and_one_that_was_final_is_not() {
    let mut scene = of(4, 1000);
    let pending = scene.compliant();
    scene.tick();
    let last = scene.direct("client");
    for _ in 0..4 {
        scene.compliant();
    }
    scene.tick();
    assert_eq!(scene.verdict(pending[2]), "Unverified(evicted)");
    assert_eq!(scene.verdict(last), "Bypassed(DirectConnection)");
    assert_eq!(scene.judge.evicted(), 1);
    assert_eq!((scene.tally().requests, scene.tally().provisional, scene.tally().withdrawn), (6, 4, 1));
}

#[test]
fn a_payment_that_can_never_come_leaves_nothing_provisional() {
    let mut scene = of(8, 1000);
    let keys = scene.compliant();
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Verified (provisional)");
    for _ in 0..4 {
        let cause = scene.enter("client", "envoy", listener("front"));
        scene.through(&[cause]);
    }
    scene.tick();
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Unverified(evicted)");
}

#[test]
fn what_was_certain_stays_so_when_its_evidence_is_forgotten() {
    let mut scene = of(8, 1000);
    let keys = scene.compliant();
    let cause = scene.enter("client", "envoy", listener("side"));
    let bypass = scene.depart("envoy", &[cause], "backend", TARGET.parse().unwrap());
    scene.arrive(bypass);
    scene.settle(&keys);
    scene.tick();
    let before = (scene.verdict(keys[2]), scene.verdict(bypass));
    assert_eq!(before, ("Verified".to_owned(), "Bypassed(RouteBypass)".to_owned()));
    // More departures than are remembered, and fewer arrivals.
    for _ in 0..2 {
        let keys = scene.compliant();
        scene.settle(&keys);
        scene.tick();
    }
    scene.tick();
    assert_eq!((scene.verdict(keys[2]), scene.verdict(bypass)), before);
    assert_eq!(scene.tally().withdrawn, 0);
}

#[test]
fn everything_that_came_before_a_tick_is_judged_before_anything_is_forgotten() {
    let mut scene = of(2, 4);
    let keys: Vec<_> = (0..20).map(|_| scene.direct("client")).collect();
    for key in &keys {
        for side in [Side::Active, Side::Passive] {
            scene.tell(Evidence::Closed { conn: key.conn, side });
        }
    }
    scene.tick();
    assert_eq!(scene.tally().bypasses(), 20);
}

#[test]
fn the_end_that_dialled_is_missed_and_not_unseen_where_it_may_have_been_forgotten() {
    let mut scene = of(1000, 8);
    let keys = scene.compliant();
    for _ in 0..20 {
        scene.connect("envoy", "client", "10.244.0.1:80".parse().unwrap());
    }
    scene.tick();
    scene.settle(&keys);
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Unverified(evicted)");
}

/// What no receiver took is nobody's request, also when its turn comes to be forgotten.
#[test]
fn what_was_never_taken_is_not_missed() {
    let mut scene = of(4, 1000);
    let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
    let unread = MessageKey { conn, offset: 0, stream: 0 };
    scene.arrive_as(unread, 5, "10.244.0.1:4000");
    scene.tell(Evidence::Abandoned { key: unread, reason: None });
    scene.tick();
    assert!(scene.judge.state.arrivals.get(&unread).is_none(), "it takes no place");
    for _ in 0..10 {
        scene.compliant();
        scene.tick();
    }
    assert_eq!((scene.verdict(unread).as_str(), scene.tally().requests, scene.judge.evicted()), ("none", 10, 0));
}

/// It is kept to be known again when it is told again: a sixteenth of the bound. What may still change is not let go for it.
#[test]
fn of_what_nothing_can_change_a_sixteenth_of_the_bound_is_known() {
    let mut scene = of(32, 1000);
    let waits = scene.compliant();
    let at = scene.now;
    let certain: Vec<_> = (0..3).map(|_| scene.direct("client")).collect();
    scene.tick();
    assert!(scene.judge.state.arrivals.get(&waits[2]).is_some());
    scene.settle(&waits);
    scene.tick();
    assert_eq!(scene.verdict(waits[2]), "Verified");
    assert!(scene.judge.state.arrivals.get(&waits[2]).is_some(), "its departures can still be found to be overdrawn");
    for (key, judged_again) in certain.into_iter().rev().zip([0, 0, 1]) {
        let before = scene.tally().requests;
        scene.at(at, |scene| scene.arrive(key));
        scene.tick();
        assert_eq!(scene.tally().requests - before, judged_again, "{key}");
    }
}

/// Rows: what is told of a message after nothing could change its verdict; whether its connection is believed from then on.
#[test]
fn what_contradicts_a_certain_arrival_disputes_its_connection() {
    let ended = |side, end| move |key| Evidence::Ended { key, side, end };
    let departed = |key| Evidence::Departed {
        key,
        instance: container("envoy"),
        digest: 5,
        link: link(&[]),
        unknown_creator: None,
        at: 4,
    };
    type Tell = Box<dyn Fn(&mut Scene, MessageKey)>;
    let tell_ends = |written, read| -> Tell {
        Box::new(move |scene, key| {
            scene.tell(departed(key));
            scene.tell(ended(Side::Active, written)(key));
            scene.tell(ended(Side::Passive, read)(key));
        })
    };
    let arrive_as = |digest| -> Tell { Box::new(move |scene, key| scene.arrive_as(key, digest, "10.244.0.1:4000")) };
    let rows = [
        ("the same", arrive_as(5), "Bypassed(DirectConnection)"),
        ("another one", arrive_as(6), "Unverified(conflict)"),
        ("the same end", tell_ends(90, 90), "Bypassed(DirectConnection)"),
        ("another end", tell_ends(90, 91), "Unverified(conflict)"),
    ];
    for (what, tell, expected) in rows {
        let mut scene = Scene::default();
        let first = scene.direct("client");
        let at = scene.now;
        scene.tick();
        assert!(scene.judge.state.arrivals.get(&first).is_none());
        scene.at(at, |scene| tell(scene, first));
        scene.tick();
        let second = MessageKey { offset: 100, ..first };
        scene.arrive(second);
        scene.tick();
        assert_eq!(
            (scene.verdict(first).as_str(), scene.verdict(second).as_str()),
            ("Bypassed(DirectConnection)", expected),
            "{what}"
        );
    }
}

/// A request whose content still comes may yet break off.
#[test]
fn what_is_not_whole_is_not_let_go() {
    let mut scene = of(8, 1000);
    let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
    let slow = MessageKey { conn, offset: 0, stream: 0 };
    scene.arrive_as(slow, 5, "10.244.0.1:4000");
    scene.tell(Evidence::Received { key: slow, whole: false, at: 1 });
    scene.tick();
    for _ in 0..5 {
        scene.direct("client");
    }
    scene.tick();
    assert!(scene.judge.state.arrivals.get(&slow).is_some());
}

#[test]
fn an_arrival_that_waits_for_the_next_tick_keeps_the_judge_unsettled() {
    let mut scene = Scene::default();
    assert!(!scene.judge.unsettled());
    let conn = scene.connect("", "backend", TARGET.parse().unwrap());
    let key = MessageKey { conn, offset: 0, stream: 0 };
    scene.arrive(key);
    scene.tick();
    assert_eq!(scene.verdict(key), "none", "who dialled may be told after the data (Fast Open)");
    assert!(scene.judge.unsettled());
    scene.tick();
    assert_eq!(scene.verdict(key), "Bypassed(UnknownSender)");
    assert!(!scene.judge.unsettled());
}

/// Each policy counts its own: what another one protects, or what is final under it, is not evicted there.
#[test]
fn only_where_a_verdict_is_missing_is_an_arrival_evicted() {
    let named = |name: &str, policy: CompiledPolicy| CompiledPolicy { name: gateway(name), ..policy };
    let policies = [
        named("provisional", policy()),
        named("final", CompiledPolicy { entry: Some([gateway("side")].into()), ..policy() }),
        named("other", CompiledPolicy { targets: ["uid-other".into()].into(), ..policy() }),
    ];
    let mut scene = Scene::bounded(policies, Limits { messages: 4, connections: 1000, explain: Explain::Everything });
    let key = scene.compliant()[2];
    scene.tick();
    let verdicts = |scene: &Scene| {
        let of = |(_, tally): (_, &Tally)| (tally.provisional, tally.bypasses(), tally.unverifieds(), tally.requests);
        scene.judge.tallies().map(of).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&scene), [(1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 0, 0)]);
    for _ in 0..4 {
        scene.compliant();
    }
    scene.tick();
    assert_eq!(verdicts(&scene), [(4, 0, 1, 5), (0, 5, 0, 5), (0, 0, 0, 0)]);
    let evicted = scene.judged.iter().filter(|judged| judged.key == key && judged.withdrawn.is_some()).count();
    assert_eq!((evicted, scene.judge.evicted()), (1, 1));
}

/// Rows: what a client sends while a long request of another one is on its way.
#[test]
fn many_short_requests_do_not_take_a_long_one_away() {
    type Play = fn(&mut Scene);
    let rows: [(&str, Play); 3] = [
        ("direct ones", |s| _ = s.direct("client")),
        ("through the waypoint", |s| {
            let keys = s.compliant();
            s.tick();
            s.settle(&keys);
        }),
        ("past it", |s| {
            let cause = s.enter("client", "envoy", listener("side"));
            let key = s.depart("envoy", &[cause], "backend", TARGET.parse().unwrap());
            s.settle(&[key]);
            s.arrive(key);
        }),
    ];
    for (what, short) in rows {
        let mut scene = of(16, 1000);
        let conn = scene.connect("client", "envoy", listener("front"));
        let cause = MessageKey { conn, offset: 0, stream: 0 };
        let (instance, peer, at) = (container("envoy"), "10.244.0.77:9".parse().unwrap(), 5);
        let local = listener("front");
        scene.tell(Evidence::Entered { key: cause, instance, local, peer, digest: 5, at });
        let keys = scene.through(&[cause]);
        scene.arrive_as(keys[2], 5, "10.244.0.1:4000");
        scene.tell(Evidence::Received { key: keys[2], whole: false, at: 1 });
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "Verified (provisional)", "{what}");
        for _ in 0..100 {
            short(&mut scene);
            scene.tick();
        }
        scene.tell(Evidence::Received { key: keys[2], whole: true, at: 2 });
        scene.settle(&keys);
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "Verified", "{what}");
        assert_eq!(scene.judge.evicted(), 0, "{what}");
    }
}

/// Nobody waits yet for what is paid for and has not arrived; and what is over of clients who have no more than others stays for long.
#[test]
fn what_arrives_a_tick_later_is_not_forgotten_for_what_was_over_long_ago() {
    let mut scene = of(32, 1000);
    for _ in 0..40 {
        let keys = scene.compliant();
        scene.settle(&keys);
        scene.tick();
    }
    let cause = scene.enter("client", "envoy", listener("front"));
    let late = scene.through(&[cause]);
    scene.settle(&late);
    for _ in 0..4 {
        let keys = scene.compliant();
        scene.settle(&keys);
    }
    scene.tick();
    scene.arrive(late[2]);
    scene.tick();
    assert_eq!(scene.verdict(late[2]), "Verified");
}
