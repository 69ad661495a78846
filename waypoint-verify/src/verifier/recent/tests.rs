use std::sync::Arc;

use smallvec::smallvec;

use super::*;
use crate::evidence::RequestLine;
use crate::judge::{Explanation, Sender};
use crate::model::{Bypass, Class, ConnKey, MessageKey, NamespacedName, Reason};

fn judged(offset: u64, verdict: Verdict, is_final: bool) -> Judged {
    let policy = NamespacedName { namespace: "hello".to_owned(), name: "policy".to_owned() };
    Judged {
        policy: Arc::new(policy),
        key: MessageKey { conn: ConnKey { client_isn: 1, server_isn: 2 }, offset, stream: 0 },
        verdict,
        class: Class::Request,
        is_final,
        withdrawn: None,
        is_first: true,
        arrived: offset,
        explanation: Some(Box::new(explanation())),
    }
}

fn explanation() -> Explanation {
    let sender = Sender { owner: "o".into(), process: None, pod_uid: None, address: "10.0.0.1:1".parse().unwrap() };
    let (request, detail) = (RequestLine::default(), String::new());
    Explanation { request, hops: Vec::new(), sender, listeners: Vec::new(), cure: None, detail }
}

fn bypassed() -> Verdict {
    Verdict::Bypassed(smallvec![Bypass::DirectConnection])
}

fn arrivals(shown: &[Value]) -> Vec<u64> {
    shown.iter().map(|one| one["arrived"].as_u64().unwrap()).collect()
}

#[test]
fn the_newest_come_first_and_a_flood_of_one_kind_pushes_out_no_other() {
    let mut recent = Recent::default();
    recent.push(Timestamp::UNIX_EPOCH, judged(1, bypassed(), true), false);
    recent.push(Timestamp::UNIX_EPOCH, judged(2, Verdict::Unverified(Reason::Lost), true), false);
    for offset in 10..10 + 2 * KEPT as u64 {
        recent.push(Timestamp::UNIX_EPOCH, judged(offset, Verdict::Verified, true), false);
    }
    let all = arrivals(&recent.shown(Wanted::default()));
    assert_eq!(all.len(), KEPT + 2);
    assert_eq!(all[..3], [1, 2, 9 + 2 * KEPT as u64]);
}

#[test]
fn one_kind_and_a_limit_can_be_asked_for() {
    let mut recent = Recent::default();
    for offset in 1..=5 {
        recent.push(Timestamp::UNIX_EPOCH, judged(offset, bypassed(), true), offset == 5);
        recent.push(Timestamp::UNIX_EPOCH, judged(10 + offset, Verdict::Verified, true), false);
    }
    let wanted = Wanted { verdict: Some(Kind::Bypassed), limit: Some(2) };
    let shown = recent.shown(wanted);
    assert_eq!(arrivals(&shown), [5, 4]);
    assert_eq!(shown[0]["verdict"], "bypassed");
    assert_eq!((&shown[0]["isCanary"], &shown[1]["isCanary"]), (&true.into(), &false.into()));
    assert_eq!(shown[0]["at"], "1970-01-01T00:00:00Z");
}

#[test]
fn what_may_still_change_is_not_told_yet() {
    let mut recent = Recent::default();
    recent.push(Timestamp::UNIX_EPOCH, judged(1, Verdict::Verified, false), false);
    assert!(recent.shown(Wanted::default()).is_empty());
}

/// One of many in its tick: those that have one are shown.
#[test]
fn what_has_no_explanation_is_not_shown() {
    let mut recent = Recent::default();
    let at = Timestamp::UNIX_EPOCH;
    recent.push(at, judged(1, Verdict::Verified, true), false);
    recent.push(at, Judged { explanation: None, ..judged(2, Verdict::Verified, true) }, false);
    assert_eq!(arrivals(&recent.shown(Wanted::default())), [1]);
}
