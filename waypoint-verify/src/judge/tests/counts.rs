//! Payments, tallies, withdrawals.

use super::scene::{Scene, TARGET, link, listener, owner, policy};
use super::unreadable::unreadable;
use crate::evidence::Evidence;
use crate::judge::PolicyVerdict;
use crate::judge::tally::Group;
use crate::model::{CompiledPolicy, MessageKey, Reason};

/// `n` equal requests that passed all hops; the keys of their departures.
fn crowd(scene: &mut Scene, n: usize) -> Vec<[MessageKey; 3]> {
    (0..n).map(|_| scene.compliant()).collect()
}

#[test]
fn verified_is_provisional_until_every_payment_has_come() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    for (paid, verdict) in [(0, "Verified (provisional)"), (1, "Verified (provisional)"), (2, "Verified")] {
        scene.tick();
        scene.settle(&keys[paid..=paid]);
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), verdict);
    }
    assert_eq!((scene.tally().requests, scene.tally().verified, scene.tally().provisional), (1, 1, 0));
}

#[test]
fn a_request_that_is_not_complete_is_not_final_and_one_that_breaks_off_not_verified() {
    for (end, expected) in [
        (Evidence::Received { key: zero(), whole: true, at: 1 }, "Verified"),
        (Evidence::Abandoned { key: zero(), reason: Some(Reason::Malformed) }, "Unverified(malformed)"),
    ] {
        let mut scene = Scene::default();
        let cause = scene.enter("client", "envoy", listener("front"));
        let keys = scene.through(&[cause]);
        scene.settle(&keys);
        scene.arrive_as(keys[2], 5, "10.244.0.1:4000");
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "none", "its receiver took nothing of it yet");
        scene.tell(Evidence::Received { key: keys[2], whole: false, at: 1 });
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "Verified (provisional)");
        scene.tell(match end {
            Evidence::Abandoned { reason, .. } => Evidence::Abandoned { key: keys[2], reason },
            _ => Evidence::Received { key: keys[2], whole: true, at: 1 },
        });
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), expected);
    }
}

fn zero() -> MessageKey {
    MessageKey { conn: crate::model::ConnKey { client_isn: 0, server_isn: 0 }, offset: 0, stream: 0 }
}

/// Whether its receiver took the head will not be known any more.
#[test]
fn what_can_no_longer_be_followed_is_judged_as_if_it_was_taken() {
    let mut scene = Scene::default();
    let key = scene.direct("client");
    let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
    let broken = MessageKey { conn, ..key };
    scene.arrive_as(broken, 5, "10.244.0.1:4000");
    scene.tell(Evidence::Abandoned { key: broken, reason: Some(Reason::Malformed) });
    scene.tick();
    assert_eq!(scene.verdict(broken), "Bypassed(DirectConnection)");
}

/// That nothing more was read says nothing of a head that was.
#[test]
fn an_arrival_whose_head_was_taken_stays_one_whatever_else_is_told() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Verified (provisional)");
    scene.tell(Evidence::Abandoned { key: keys[2], reason: None });
    scene.tick();
    scene.settle(&keys);
    scene.tick();
    assert_eq!((scene.verdict(keys[2]).as_str(), scene.tally().verified), ("Verified", 1));
}

#[test]
fn what_no_receiver_took_is_no_request() {
    let mut scene = Scene::default();
    let key = scene.direct("client");
    let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
    let unread = MessageKey { conn, ..key };
    scene.arrive_as(unread, 5, "10.244.0.1:4000");
    scene.tell(Evidence::Abandoned { key: unread, reason: None });
    scene.tick();
    assert_eq!((scene.verdict(unread).as_str(), scene.tally().requests), ("none", 1));
}

/// Rows: requests in the class, those of them that were paid for, and how many must have come past.
#[test]
fn an_overdrawn_class_is_unverified_and_forces_what_was_not_paid_for() {
    for (n, paid, forced) in [(2, 1, 1), (5, 3, 2), (3, 3, 0), (1, 0, 1)] {
        let mut scene = Scene::default();
        let keys = crowd(&mut scene, n);
        let sent: Vec<MessageKey> = keys.iter().map(|keys| keys[1]).collect();
        scene.overdraw("waypoint", &sent[paid..], &sent[..paid]);
        for keys in &keys {
            scene.settle(&[keys[0], keys[2]]);
        }
        scene.tick();
        assert_eq!(scene.tally().unverified[&Reason::Overdrawn], n as u64);
        assert_eq!(scene.tally().forced, forced, "{n} requests, {paid} paid");
        let group = Group { arrived: n as u64, at_most_passed: paid as u64 };
        assert_eq!(scene.tally().groups[..], if forced > 0 { vec![group] } else { vec![] });
        let verdict = if forced > 0 { PolicyVerdict::False } else { PolicyVerdict::Unknown };
        assert_eq!(scene.tally().verdict(1), verdict);
    }
}

/// Where the waypoint itself is the last hop, what it made up is nobody's payment, and counts.
#[test]
fn what_a_waypoint_in_front_of_the_target_makes_up_is_forced() {
    let mut scene = Scene::of([CompiledPolicy { via: Vec::new(), ..policy() }]);
    let mut sent = Vec::new();
    for _ in 0..2 {
        let cause = scene.enter("client", "envoy", listener("front"));
        let entered = scene.depart("envoy", &[cause], "waypoint", "10.244.0.5:8081".parse().unwrap());
        let key = scene.depart("waypoint", &[entered], "backend", TARGET.parse().unwrap());
        scene.settle(&[entered]);
        scene.arrive(key);
        sent.push(key);
    }
    scene.overdraw("waypoint", &sent[1..], &sent[..1]);
    scene.tick();
    assert_eq!((scene.tally().unverified[&Reason::Overdrawn], scene.tally().forced), (2, 1));
}

#[test]
fn attempts_of_one_request_and_mirrored_copies_force_nothing() {
    let mut scene = Scene::default();
    let keys = crowd(&mut scene, 1).remove(0);
    let attempt = scene.depart("envoy", &[keys[1]], "backend", TARGET.parse().unwrap());
    scene.arrive(attempt);
    let copy = crate::link::Link { mirror: true, counted: false, ..link(&[keys[1]]) };
    let copy = scene.depart_as("envoy", copy, None, "backend", TARGET.parse().unwrap());
    scene.arrive(copy);
    // What was made up went elsewhere; this one was paid for, with its retry.
    let elsewhere = scene.depart("waypoint", &[keys[0]], "envoy", listener("back"));
    scene.overdraw("waypoint", &[elsewhere], &[keys[1]]);
    scene.settle(&[keys[0]]);
    scene.tell(Evidence::Settled { keys: [keys[2], attempt].into_iter().collect() });
    scene.tick();
    assert_eq!((scene.tally().unverifieds(), scene.tally().forced), (3, 0));
}

/// The gateway's own surplus is not the waypoint's.
#[test]
fn an_overdrawn_class_of_a_gateway_makes_unverified_and_forces_nothing() {
    let mut scene = Scene::default();
    let keys = crowd(&mut scene, 2);
    scene.overdraw("envoy", &[keys[0][2]], &[keys[1][2]]);
    keys.iter().for_each(|keys| scene.settle(&keys[..2]));
    scene.tick();
    assert_eq!((scene.tally().unverified[&Reason::Overdrawn], scene.tally().forced), (2, 0));
}

#[test]
fn a_final_verdict_is_withdrawn_loudly_by_what_shows_later() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    scene.settle(&keys);
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Verified");
    scene.overdraw("waypoint", &[zero()], &[keys[1]]);
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Unverified(overdrawn)");
    assert!(scene.judged.last().unwrap().withdrawn.is_some());
    assert_eq!((scene.tally().verified, scene.tally().withdrawn, scene.tally().requests), (0, 1, 1));
}

#[test]
fn a_loss_makes_payments_of_that_time_worth_nothing() {
    let lost = |openings| Evidence::Lost { of: None, records: 3, bytes: 0, openings, at: 77 };
    let mut scene = Scene::default();
    let before = scene.compliant();
    scene.tick();
    scene.settle(&before);
    scene.tick();
    let during = scene.compliant();
    scene.tell(lost(false));
    scene.tell(lost(false));
    scene.tick();
    let after = scene.compliant();
    scene.settle(&during);
    scene.settle(&after);
    scene.tick();
    let found = [before, during, after].map(|keys| scene.verdict(keys[2]));
    assert_eq!(found, ["Verified", "Unverified(lost)", "Verified"]);
    assert_eq!(scene.tally().lost, 3, "told twice, counted once");
    scene.tell(Evidence::Lost { of: None, records: 3, bytes: 0, openings: false, at: 78 });
    assert_eq!(scene.tally().lost, 6, "as much was lost once more");
    assert_eq!(scene.tally().verdict(1), PolicyVerdict::Unknown);
}

#[test]
fn a_loss_touches_the_policies_that_its_owner_is_part_of() {
    // Whose; what is then said of a payment and of the policy.
    let rows = [
        ("backend", "Verified", PolicyVerdict::Unknown),
        ("waypoint", "Unverified(lost)", PolicyVerdict::Unknown),
        ("client", "Verified", PolicyVerdict::True),
        ("host", "Verified", PolicyVerdict::True),
        ("unknown", "Unverified(lost)", PolicyVerdict::Unknown),
    ];
    for (of, payment, verdict) in rows {
        let mut scene = Scene::default();
        let keys = scene.compliant();
        scene.tell(Evidence::Lost { of: Some(owner(of)), records: 3, bytes: 0, openings: false, at: 77 });
        scene.tick();
        scene.settle(&keys);
        scene.tick();
        assert_eq!((scene.verdict(keys[2]).as_str(), scene.tally().verdict(1)), (payment, verdict), "{of:?}");
    }
}

#[test]
fn a_policy_is_true_only_if_enough_was_verified_and_nothing_is_unexplained() {
    type Play = fn(&mut Scene);
    let verified: Play = |s| {
        let keys = s.compliant();
        s.settle(&keys);
    };
    let rows: [(&str, &[Play], u64, PolicyVerdict); 8] = [
        ("nothing", &[], 0, PolicyVerdict::Unknown),
        ("one", &[verified], 1, PolicyVerdict::True),
        ("too few", &[verified], 2, PolicyVerdict::Unknown),
        ("and a bypass", &[verified, |s| _ = s.direct("client")], 1, PolicyVerdict::False),
        ("and one that is provisional", &[verified, |s| _ = s.compliant()], 1, PolicyVerdict::Unknown),
        ("and one unverified", &[verified, |s| _ = s.direct("unknown")], 1, PolicyVerdict::Unknown),
        (
            "and a loss",
            &[verified, |s| s.tell(Evidence::Lost { of: None, records: 1, bytes: 0, openings: false, at: 1 })],
            1,
            PolicyVerdict::Unknown,
        ),
        ("and a connection that cannot be read", &[verified, |s| s.tell(unreadable(None))], 1, PolicyVerdict::Unknown),
    ];
    for (name, plays, min, expected) in rows {
        let mut scene = Scene::default();
        plays.iter().for_each(|play| play(&mut scene));
        scene.tick();
        scene.tick();
        assert_eq!(scene.tally().verdict(min), expected, "{name}");
    }
}

#[test]
fn policies_of_different_targets_are_counted_alone_and_of_the_same_both() {
    let of = |name: &str, target: &str| CompiledPolicy {
        name: super::scene::gateway(name),
        targets: [format!("uid-{target}")].into(),
        ..policy()
    };
    let mut scene = Scene::of([of("a", "backend"), of("b", "other"), of("c", "backend")]);
    let keys = scene.compliant();
    scene.settle(&keys);
    scene.tick();
    assert_eq!(scene.judge.tallies().map(|(_, tally)| tally.verified).collect::<Vec<_>>(), [1, 0, 1]);
    scene.tell(unreadable(None));
    scene.tick();
    assert_eq!(scene.judge.tallies().map(|(_, tally)| tally.unverifieds()).collect::<Vec<_>>(), [1, 0, 1]);
}

/// What is learned later of the causes of a departure may take away the need for a payment, and never stands for one.
#[test]
fn a_narrowed_link_is_paid_for_only_if_nothing_needs_to_pay() {
    for (counted, expected) in [(true, "Verified (provisional)"), (false, "Verified")] {
        let mut scene = Scene::default();
        let keys = scene.compliant();
        scene.settle(&keys[1..]);
        scene.tick();
        let entered = scene.enter("client", "envoy", listener("front"));
        let narrower = crate::link::Link { counted, ..link(&[entered]) };
        scene.tell(Evidence::Narrowed { key: keys[0], link: narrower.clone() });
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), expected, "counted: {counted}");
        // ... nor is one that was overdrawn paid for by it.
        scene.overdraw("envoy", &[keys[0]], &[]);
        scene.tick();
        scene.tell(Evidence::Narrowed { key: keys[0], link: narrower });
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "Unverified(overdrawn)", "counted: {counted}");
    }
}

/// Both wait for the same payments, which come once.
#[test]
fn policies_of_one_target_become_final_together() {
    let of = |name: &str| CompiledPolicy { name: super::scene::gateway(name), ..policy() };
    let mut scene = Scene::of([of("a"), of("b")]);
    let keys = scene.compliant();
    scene.tick();
    assert_eq!(scene.judge.tallies().map(|(_, tally)| tally.provisional).collect::<Vec<_>>(), [1, 1]);
    scene.settle(&keys);
    scene.tick();
    assert_eq!(scene.judge.tallies().map(|(_, tally)| tally.verified).collect::<Vec<_>>(), [1, 1]);
}

/// A verdict is given once, and again only if it is another one.
#[test]
fn what_is_looked_at_again_without_news_is_not_told_again() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    scene.tick();
    let narrowed = |scene: &mut Scene, to: crate::link::Link| {
        scene.tell(Evidence::Narrowed { key: keys[0], link: to });
        scene.tick();
        scene.judged.len()
    };
    let entered = scene.enter("client", "envoy", listener("front"));
    assert_eq!(narrowed(&mut scene, link(&[entered])), 1, "another cause, the same verdict");
    assert_eq!((scene.tally().requests, scene.tally().provisional), (1, 1));
    scene.settle(&keys);
    scene.tick();
    assert_eq!((scene.judged.len(), scene.verdict(keys[2]).as_str()), (2, "Verified"));
    let side = scene.enter("client", "envoy", listener("side"));
    assert_eq!(narrowed(&mut scene, link(&[side])), 3);
    assert_eq!(scene.verdict(keys[2]), "Bypassed(RouteBypass)");
    assert!(!scene.judged[2].is_first && scene.judged[2].withdrawn.is_some());
}
