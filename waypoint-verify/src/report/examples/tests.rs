use std::sync::Arc;

use super::*;
use crate::evidence::RequestLine;
use crate::judge::Sender;
use crate::model::{ConnKey, Reason};

fn name() -> NamespacedName {
    NamespacedName { namespace: "hello".into(), name: "p".into() }
}

fn judged(n: u32, verdict: Verdict, class: Class, owner: Option<&str>) -> Judged {
    let sender = |owner: &str| Sender {
        owner: owner.to_owned(),
        process: None,
        pod_uid: None,
        address: ([10, 0, 0, 1], 4000).into(),
    };
    let explanation = owner.map(|owner| {
        Box::new(Explanation {
            request: RequestLine::default(),
            hops: Vec::new(),
            sender: sender(owner),
            listeners: vec!["hello/gateway:80".into()],
            cure: None,
            detail: String::new(),
        })
    });
    Judged {
        policy: Arc::new(name()),
        key: MessageKey { conn: ConnKey { client_isn: n, server_isn: 0 }, offset: 0, stream: 0 },
        verdict,
        class,
        is_final: true,
        withdrawn: None,
        is_first: true,
        arrived: 0,
        explanation,
    }
}

fn bypass() -> Verdict {
    Verdict::Bypassed([Bypass::RouteBypass].into_iter().collect())
}

#[test]
fn the_first_of_each_sort_is_kept_and_what_counts_as_nothing_bad_is_none() {
    let mut examples = Examples::default();
    examples.take(&[
        judged(1, Verdict::Verified, Class::Request, Some("good")),
        judged(2, bypass(), Class::Exempt("probes".into()), Some("exempt")),
        judged(3, bypass(), Class::Request, None),
        judged(4, bypass(), Class::Request, Some("first")),
        judged(5, bypass(), Class::Request, Some("second")),
        judged(6, Verdict::Unverified(Reason::Gap), Class::Request, Some("third")),
    ]);
    let told = examples.of(&name(), "RouteBypass").unwrap();
    assert!(told.contains("sent by first, from 10.0.0.1:4000, through hello/gateway:80"), "{told}");
    assert!(examples.of(&name(), "gap").unwrap().contains("third"));
    assert_eq!(examples.of(&name(), "lost"), None);
    assert_eq!(examples.0.len(), 2);
}

#[test]
fn one_that_is_taken_back_gives_way_to_another() {
    let mut examples = Examples::default();
    let back = |n| Judged { withdrawn: Some(bypass()), ..judged(n, Verdict::Verified, Class::Request, None) };
    examples.take(&[judged(1, bypass(), Class::Request, Some("first")), back(2)]);
    assert!(examples.of(&name(), "RouteBypass").unwrap().contains("first"), "another was taken back");
    examples.take(&[back(1), judged(3, bypass(), Class::Request, Some("next"))]);
    assert!(examples.of(&name(), "RouteBypass").unwrap().contains("next"));
}

#[test]
fn a_long_one_is_cut() {
    let mut examples = Examples::default();
    examples.take(&[judged(1, bypass(), Class::Request, Some(&"é".repeat(2 * MOST)))]);
    assert_eq!(examples.of(&name(), "RouteBypass").unwrap().chars().count(), MOST);
}
