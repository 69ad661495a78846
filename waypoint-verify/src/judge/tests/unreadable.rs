//! Connections that cannot be told apart into requests.

use std::sync::Arc;

use super::scene::{Scene, TARGET, owner, policy};
use crate::evidence::{End, Evidence};
use crate::judge::{Explain, Limits};
use crate::model::{ConnKey, MessageKey, Reason, Side};

pub fn unreadable(conn: Option<ConnKey>) -> Evidence {
    Evidence::Unreadable {
        stream: 1,
        conn,
        at_pod: super::scene::container("backend"),
        local: TARGET.parse().unwrap(),
        peer: "10.244.0.1:4000".parse().unwrap(),
        reason: Reason::Malformed,
        detail: String::new(),
        at: 5,
    }
}

/// Rows: who dialled a connection whose bytes cannot be told apart; it may be testified twice.
#[test]
fn of_an_unreadable_connection_only_who_dialled_it_is_said() {
    let rows = [
        ("client", "Bypassed(DirectConnection)"),
        ("envoy", "Unverified(malformed)"),
        ("unknown", "Unverified(malformed)"),
        ("", "Bypassed(UnknownSender)"),
    ];
    for (from, expected) in rows {
        let mut scene = Scene::default();
        let conn = scene.connect(from, "backend", TARGET.parse().unwrap());
        scene.tell(unreadable(Some(conn)));
        scene.tick();
        scene.tell(unreadable(Some(conn)));
        scene.tick();
        assert_eq!(scene.verdict(MessageKey { conn, offset: 0, stream: 0 }), expected, "{from}");
        assert_eq!(scene.tally().requests, 1, "{from}");
    }
}

/// Two connections that cannot be told apart are of nobody.
#[test]
fn of_an_unreadable_connection_that_is_disputed_nothing_is_said() {
    let mut scene = Scene::default();
    let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
    let end = Arc::new(End {
        owner: owner("prometheus"),
        process: None,
        local: "10.244.0.3:9".parse().unwrap(),
        remote: TARGET.parse().unwrap(),
        at: 3,
    });
    scene.tell(Evidence::Opened { conn, side: Side::Active, end });
    scene.tell(unreadable(Some(conn)));
    scene.tick();
    assert_eq!(scene.verdict(MessageKey { conn, offset: 0, stream: 0 }), "Unverified(malformed)");
}

#[test]
fn connections_that_cannot_be_read_are_remembered_within_the_bound() {
    let limits = Limits { messages: 8, connections: 1000, explain: Explain::Everything };
    let mut scene = Scene::bounded([policy()], limits);
    for _ in 0..100 {
        let conn = scene.connect("client", "backend", TARGET.parse().unwrap());
        scene.tell(unreadable(Some(conn)));
        scene.tick();
        assert!(scene.judge.told.iter().map(std::collections::BTreeSet::len).sum::<usize>() <= 8);
    }
    assert_eq!(scene.tally().requests, 100);
}
