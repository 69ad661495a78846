//! The two ends of each connection must tell the same.

use super::scene::{Scene, TARGET, container, link, listener, policy};
use super::trails::{check, last};
use crate::evidence::Evidence;
use crate::model::{MessageKey, Side};

#[test]
fn what_the_two_ends_of_a_connection_say_must_agree() {
    fn arrives(scene: &mut Scene, digest: u64) -> MessageKey {
        let cause = scene.enter("client", "envoy", listener("front"));
        let keys = scene.through(&[cause]);
        scene.settle(&keys);
        scene.arrive_as(keys[2], digest, "10.244.0.1:4000");
        scene.tell(Evidence::Received { key: keys[2], whole: true, at: 9 });
        keys[2]
    }
    fn departs(scene: &mut Scene, key: MessageKey, digest: u64) {
        let cause = MessageKey { offset: 77, ..key };
        let (instance, link) = (container("envoy"), link(&[cause]));
        scene.tell(Evidence::Departed { key, instance, digest, link, unknown_creator: None, at: 4 });
    }
    fn enters(scene: &mut Scene, key: MessageKey, digest: u64) {
        let (local, peer) = ("10.244.0.5:8081".parse().unwrap(), "10.244.0.1:4000".parse().unwrap());
        scene.tell(Evidence::Entered { key, instance: container("waypoint"), local, peer, digest, at: 4 });
    }
    /// All the way, but of what came between gateway and waypoint more is told.
    fn twice(scene: &mut Scene, more: fn(&mut Scene, MessageKey)) -> MessageKey {
        let cause = scene.enter("client", "envoy", listener("front"));
        let conn = scene.connect("envoy", "waypoint", "10.244.0.5:8081".parse().unwrap());
        let entered = MessageKey { conn, offset: 0, stream: 0 };
        let link_of = link(&[cause]);
        let (instance, at) = (container("envoy"), 4);
        let told = Evidence::Departed { key: entered, instance, digest: 5, link: link_of, unknown_creator: None, at };
        scene.tell(told.clone());
        scene.tell(told);
        enters(scene, entered, 5);
        let sent = scene.depart("waypoint", &[entered], "envoy", listener("back"));
        let key = last(scene, link(&[sent]));
        scene.settle(&[entered, sent]);
        more(scene, entered);
        key
    }
    /// The connection is another container's than the one that is said to have sent over it.
    fn of_another(scene: &mut Scene) -> MessageKey {
        let key = MessageKey { conn: scene.connect("envoy", "backend", TARGET.parse().unwrap()), offset: 0, stream: 0 };
        let cause = scene.enter("client", "envoy", listener("front"));
        let [entered, sent, _] = scene.through(&[cause]);
        let (instance, link) = (container("waypoint"), link(&[sent]));
        scene.tell(Evidence::Departed { key, instance, digest: 5, link, unknown_creator: None, at: 4 });
        scene.settle(&[entered, sent, key]);
        scene.arrive(key);
        key
    }
    check(
        policy,
        &[
            ("the same head", |s| arrives(s, 5), "Verified"),
            ("another one", |s| arrives(s, 6), "Unverified(conflict)"),
            ("one that no departure tells of", |s| s.direct("envoy"), "Unverified(noDeparture)"),
            (
                "two heads at one place",
                |s| {
                    let key = arrives(s, 5);
                    s.arrive_as(key, 6, "10.244.0.66:1");
                    key
                },
                "Unverified(conflict)",
            ),
            ("two that departed at one place", |s| twice(s, |s, key| departs(s, key, 6)), "Unverified(conflict)"),
            ("two that entered at one place", |s| twice(s, |s, key| enters(s, key, 6)), "Unverified(conflict)"),
            ("each told twice", |s| twice(s, |s, key| enters(s, key, 5)), "Verified"),
            ("a head that another proxy's socket sent", |s| of_another(s), "Unverified(conflict)"),
        ],
    );
}

/// Rows: what was dialled, and where it was accepted. A Service is translated, a pod is not.
#[test]
fn a_connection_that_was_dialled_to_another_pod_than_accepted_it_is_a_conflict() {
    let rows = [
        ("10.244.0.9:8084", "Verified"),
        ("[::ffff:10.244.0.9]:8084", "Verified"),
        ("10.96.7.7:80", "Verified"),
        ("192.168.0.1:30000", "Verified"),
        ("10.244.0.66:8084", "Unverified(conflict)"),
        ("10.244.0.9:9999", "Unverified(conflict)"),
    ];
    for (dialled, expected) in rows {
        let mut scene = Scene::default();
        let cause = scene.enter("client", "envoy", listener("front"));
        let [entered, sent, _] = scene.through(&[cause]);
        let key = scene.depart_to("envoy", link(&[sent]), dialled.parse().unwrap(), "backend", TARGET.parse().unwrap());
        scene.settle(&[entered, sent, key]);
        scene.arrive(key);
        scene.tick();
        assert_eq!(scene.verdict(key), expected, "{dialled}");
    }
}

/// Rows: where each hop's two ends saw the message end (0: not at all); whether they agree.
#[test]
fn the_two_ends_of_a_connection_must_see_a_message_end_at_one_place() {
    for (hop, written, read, agrees) in [
        (2, 90, 90, true),
        (2, 90, 91, false),
        (2, 90, 0, true),
        (2, 0, 91, true),
        (1, 90, 91, false),
        (0, 90, 91, false),
    ] {
        let mut scene = Scene::default();
        let keys = scene.compliant();
        scene.settle(&keys);
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), "Verified");
        for (side, end) in [(Side::Active, written), (Side::Passive, read)] {
            if end != 0 {
                scene.tell(Evidence::Ended { key: keys[hop], side, end });
            }
        }
        scene.tick();
        let expected = if agrees { "Verified" } else { "Unverified(conflict)" };
        assert_eq!(scene.verdict(keys[2]), expected, "hop {hop}: {written}, {read}");
        assert_eq!(scene.tally().withdrawn, u64::from(!agrees));
    }
}
