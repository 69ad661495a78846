use std::sync::Arc;

use super::*;
use crate::bus::batch::Batch;
use crate::evidence::{Evidence, RequestLine};
use crate::model::{ConnKey, ContainerRef, MessageKey, PodRef, WatchList};

const SECOND: BootNs = 1_000_000_000;

/// Of a request that arrived at this pod; empty: of nobody's role.
fn read(node: &str, position: u64, target: &str) -> Read {
    let (local, peer) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let pod = PodRef { namespace: "n".into(), name: target.into(), uid: target.into() };
    let at_pod = Arc::new(ContainerRef { node: node.into(), pod, name: "c".into(), id: "i".into() });
    let key = MessageKey { conn: ConnKey { client_isn: 1, server_isn: 1 }, offset: 0, stream: 0 };
    let request = Arc::new(RequestLine::default());
    let arrived = Evidence::Arrived { key, at_pod, local, peer, request, digest: 1, at: 1 };
    let evidence = if target.is_empty() { vec![] } else { vec![arrived] };
    let batch = Batch { node: node.into(), epoch: 1, sequence: position, evidence, answer: None };
    Read { node: node.into(), position, octets: 100, batch: Ok(batch) }
}

fn roles(targets: &[&str]) -> Roles {
    let protected = targets.iter().map(|uid| (*uid).to_owned()).collect();
    Roles::new(&WatchList { protected, ..WatchList::default() }, std::iter::empty())
}

/// Node and position of all that is released, and how many roles of each are not known.
fn released(early: &mut Early, roles: &Roles, at: BootNs) -> Vec<(String, u64, usize)> {
    let all = std::iter::from_fn(|| early.release(roles, at));
    all.map(|one| (one.read.node, one.read.position, one.unknown.len())).collect()
}

#[test]
fn what_speaks_of_an_unknown_target_waits_until_it_is_known_and_what_comes_after_it_too() {
    let mut early = Early::default();
    let (before, after) = (roles(&["old"]), roles(&["old", "new"]));
    assert!(early.hold(read("a", 1, "old"), &before, 0).is_some(), "nothing is waited for");
    assert!(early.hold(read("a", 2, "new"), &before, 0).is_none());
    assert!(early.hold(read("a", 3, ""), &before, 0).is_none(), "a node's evidence stays in its order");
    assert!(early.hold(read("b", 9, "old"), &before, 0).is_some(), "another node does not wait");
    assert_eq!(released(&mut early, &before, 4 * SECOND), []);
    assert_eq!(released(&mut early, &after, 4 * SECOND), [("a".to_owned(), 2, 0), ("a".to_owned(), 3, 0)]);
    assert!(early.hold(read("a", 4, ""), &after, 4 * SECOND).is_some(), "nothing is left to wait for");
}

#[test]
fn what_nobody_tells_of_is_waited_for_once_and_said_once() {
    let mut early = Early::default();
    let roles = roles(&[]);
    assert!(early.hold(read("a", 1, "nobody"), &roles, 0).is_none());
    assert!(early.hold(read("a", 2, "nobody"), &roles, SECOND).is_none());
    assert_eq!(released(&mut early, &roles, 5 * SECOND), [("a".to_owned(), 1, 1), ("a".to_owned(), 2, 0)]);
    assert!(early.hold(read("a", 3, "nobody"), &roles, 6 * SECOND).is_some());
    assert!(early.hold(read("a", 4, "other"), &roles, 6 * SECOND).is_none(), "another one is waited for");
}

#[test]
fn past_its_bound_nothing_waits() {
    let mut early = Early::default();
    let roles = roles(&[]);
    let large = |position, target| Read { octets: OCTETS / 2, ..read("a", position, target) };
    assert!(early.hold(large(1, "x"), &roles, 0).is_none());
    assert!(early.hold(large(2, "y"), &roles, 0).is_none());
    assert_eq!(released(&mut early, &roles, 0), [], "it is full, and not over full");
    assert!(early.hold(large(3, ""), &roles, 0).is_none());
    assert_eq!(released(&mut early, &roles, 0), [("a".to_owned(), 1, 1)], "the oldest gives way, and it is said");
}
