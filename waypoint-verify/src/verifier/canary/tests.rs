use std::convert::Infallible;
use std::sync::Arc;

use smallvec::smallvec;

use super::*;
use crate::evidence::RequestLine;
use crate::judge::{Explanation, Sender};
use crate::model::{ConnKey, Reason};
use crate::policy::Canary as Wish;

const POD: &str = "uid-of-the-job";

fn name() -> NamespacedName {
    NamespacedName { namespace: "hello".to_owned(), name: "policy".to_owned() }
}

fn paths() -> CanaryPaths {
    CanaryPaths {
        canary: Wish { path: "/healthz".to_owned(), ..Wish::default() },
        entry: ["10.96.0.80:80".parse().unwrap()].into(),
        upstream: Some("10.96.0.82:8082".parse().unwrap()),
        direct: ["10.244.1.11:8084".parse().unwrap()].into(),
    }
}

fn asked(self_attack: bool) -> Asked {
    Asked { policy: name(), pod: POD.to_owned(), run: "run".to_owned(), self_attack }
}

struct Scene {
    canaries: Canaries,
    orders: Vec<Order>,
}

impl Scene {
    fn new() -> Self {
        let (mut canaries, mut next) = (Canaries::default(), 0_u8);
        let nonce = || {
            next += 1;
            Ok::<_, Infallible>([next; 16])
        };
        let orders = canaries.issue(&asked(true), &paths(), 0, nonce).unwrap().unwrap();
        Self { canaries, orders }
    }

    fn id(&self, kind: Kind) -> String {
        self.orders.iter().find(|order| order.kind == kind).unwrap().id.clone()
    }

    fn outcome(&self, kind: Kind, at: BootNs) -> Outcome {
        self.canaries.told(&name(), "run", at).into_iter().find(|told| told.kind == kind).unwrap().outcome
    }
}

fn judged(id: &str, pod: Option<&str>, verdict: Verdict) -> Judged {
    Judged {
        policy: Arc::new(name()),
        key: MessageKey { conn: ConnKey { client_isn: 1, server_isn: 2 }, offset: 0, stream: 0 },
        verdict,
        class: Class::Request,
        is_final: true,
        withdrawn: None,
        is_first: true,
        arrived: 1,
        explanation: Some(Box::new(Explanation {
            request: RequestLine { trace_id: Some(id.to_owned()), ..RequestLine::default() },
            hops: Vec::new(),
            sender: Sender {
                owner: String::new(),
                process: None,
                pod_uid: pod.map(str::to_owned),
                address: "10.244.1.9:1".parse().unwrap(),
            },
            listeners: Vec::new(),
            cure: None,
            detail: String::new(),
        })),
    }
}

fn past(kind: Bypass) -> Verdict {
    Verdict::Bypassed(smallvec![kind])
}

#[test]
fn orders_say_what_to_send_and_where() {
    let scene = Scene::new();
    let shown: Vec<_> = scene.orders.iter().map(|order| (order.kind, order.url.as_str())).collect();
    let expected = [
        (Kind::Compliant, "http://10.96.0.80:80/healthz"),
        (Kind::DirectConnection, "http://10.244.1.11:8084/healthz"),
        (Kind::UpstreamBypass, "http://10.96.0.82:8082/healthz"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(scene.orders[0].id, "01".repeat(16));
    let only = Canaries::default().issue(&asked(false), &paths(), 0, || Ok::<_, Infallible>([1; 16])).unwrap();
    assert_eq!(only.unwrap().len(), 1);
}

#[test]
fn what_was_sent_for_a_verdict_and_got_it_is_a_canary() {
    let mut scene = Scene::new();
    for (kind, verdict, outcome) in [
        (Kind::Compliant, Verdict::Verified, Outcome::Verified),
        (Kind::DirectConnection, past(Bypass::DirectConnection), Outcome::Detected),
        (Kind::UpstreamBypass, past(Bypass::UpstreamBypass), Outcome::Detected),
    ] {
        assert_eq!(scene.outcome(kind, 1), Outcome::Waiting);
        let seen = judged(&scene.id(kind), Some(POD), verdict);
        assert!(scene.canaries.take(&seen, 1), "{kind:?}");
        assert!(scene.canaries.take(&seen, 2), "{kind:?}: said again of the same message");
        assert_eq!(scene.outcome(kind, 2), outcome);
    }
}

/// Whatever an attacker does with a nonce, no bypass of his becomes a canary.
#[test]
fn every_other_use_is_judged_like_any_request() {
    let direct = || past(Bypass::DirectConnection);
    let cases: [(&str, Option<&str>, Verdict, BootNs); 6] = [
        ("of another pod", Some("uid-of-another"), direct(), 1),
        ("of nobody who is seen", None, direct(), 1),
        ("too late", Some(POD), direct(), LIFE + 1),
        ("another kind", Some(POD), past(Bypass::RouteBypass), 1),
        (
            "of two kinds that are possible",
            Some(POD),
            Verdict::Bypassed(smallvec![Bypass::DirectConnection, Bypass::RouteBypass]),
            1,
        ),
        ("not sure", Some(POD), Verdict::Unverified(Reason::Lost), 1),
    ];
    for (what, pod, verdict, at) in cases {
        let mut scene = Scene::new();
        let seen = judged(&scene.id(Kind::DirectConnection), pod, verdict);
        assert!(!scene.canaries.take(&seen, at), "{what}");
        assert_ne!(scene.outcome(Kind::DirectConnection, at), Outcome::Detected, "{what}");
    }
    let mut scene = Scene::new();
    let compliant = judged(&scene.id(Kind::Compliant), Some(POD), direct());
    assert!(!scene.canaries.take(&compliant, 1), "a compliant one that bypassed");
    assert_eq!(scene.outcome(Kind::Compliant, 1), Outcome::Unexpected);
    let mut mirrored = judged(&scene.id(Kind::DirectConnection), Some(POD), direct());
    mirrored.class = Class::Mirror;
    assert!(!scene.canaries.take(&mirrored, 1), "a copy");
    let mut elsewhere = judged(&scene.id(Kind::DirectConnection), Some(POD), direct());
    elsewhere.policy = Arc::new(NamespacedName { namespace: "hello".to_owned(), name: "strict".to_owned() });
    assert!(!scene.canaries.take(&elsewhere, 1), "under another policy");
    assert!(!scene.canaries.take(&judged("0af7651916cd43dd8448eb211c80319c", Some(POD), direct()), 1), "a guess");
}

#[test]
fn a_nonce_is_good_once_and_a_thief_does_not_use_it_up() {
    let mut scene = Scene::new();
    let id = scene.id(Kind::DirectConnection);
    let stolen = judged(&id, Some("thief"), past(Bypass::DirectConnection));
    assert!(!scene.canaries.take(&stolen, 1));
    let mut own = judged(&id, Some(POD), past(Bypass::DirectConnection));
    own.key.offset = 100;
    assert!(scene.canaries.take(&own, 2));
    let mut again = own.clone();
    again.key.offset = 200;
    assert!(!scene.canaries.take(&again, 3));
}

#[test]
fn what_was_not_seen_is_told_as_what_it_is() {
    let mut scene = Scene::new();
    let attack = scene.id(Kind::DirectConnection);
    assert!(!scene.canaries.sent("another pod", &attack, Sent::NotConnected(String::new())));
    assert!(scene.canaries.sent(POD, &attack, Sent::NotConnected("refused".to_owned())));
    assert_eq!(scene.outcome(Kind::DirectConnection, 1), Outcome::Blocked);
    // It was answered, and nobody saw it arrive: somebody is blind.
    let upstream = scene.id(Kind::UpstreamBypass);
    scene.canaries.sent(POD, &upstream, Sent::Answered(403));
    assert_eq!(scene.outcome(Kind::UpstreamBypass, LIFE), Outcome::Waiting);
    assert_eq!(scene.outcome(Kind::UpstreamBypass, LIFE + 1), Outcome::Missed);
    assert_eq!(scene.outcome(Kind::Compliant, LIFE + 1), Outcome::NotSent);
    let compliant = scene.id(Kind::Compliant);
    scene.canaries.sent(POD, &compliant, Sent::NotConnected("refused".to_owned()));
    assert_eq!(scene.outcome(Kind::Compliant, 1), Outcome::NotSent);
}

#[test]
fn a_verified_one_that_may_still_change_is_waited_for() {
    let mut scene = Scene::new();
    let mut seen = judged(&scene.id(Kind::Compliant), Some(POD), Verdict::Verified);
    seen.is_final = false;
    assert!(scene.canaries.take(&seen, 1));
    assert_eq!(scene.outcome(Kind::Compliant, 1), Outcome::Waiting);
    seen.verdict = Verdict::Unverified(Reason::Overdrawn);
    seen.withdrawn = Some(Verdict::Verified);
    assert!(!scene.canaries.take(&seen, 2), "withdrawn: it counts as what it is");
    assert_eq!(scene.outcome(Kind::Compliant, 2), Outcome::Unexpected);
}

#[test]
fn how_many_are_known_is_bounded_and_old_ones_are_forgotten() {
    let (mut canaries, mut next) = (Canaries::default(), 0_u128);
    let mut issue = |at| {
        let nonce = || {
            next += 1;
            Ok::<_, Infallible>(next.to_be_bytes())
        };
        canaries.issue(&asked(false), &paths(), at, nonce).unwrap()
    };
    for _ in 0..MOST {
        issue(0).unwrap();
    }
    assert_eq!(issue(LIFE).unwrap_err(), Refused::TooMany);
    issue(LIFE + TOLD).unwrap();
}
