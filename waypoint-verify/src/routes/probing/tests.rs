use std::collections::BTreeSet;

use super::*;
use crate::model::Reason;
use crate::routes::path::{Door, From};

const POLICY: &str = "hello/policy";

fn path(witness: Option<Witness>) -> Path {
    Path {
        class: super::super::Class::Past { kind: Bypass::RouteBypass },
        doors: vec![Door { from: From::Outside, address: "192.0.2.1:80".into() }],
        hops: Vec::new(),
        reaches: Vec::new(),
        mirror: false,
        share: None,
        dialects: Vec::new(),
        witness,
        cure: None,
        notes: Vec::new(),
    }
}

fn witness(method: &str, url: &str) -> Witness {
    Witness {
        method: method.into(),
        url: url.into(),
        host: "a.example".into(),
        headers: Vec::new(),
        from: "outside".into(),
        share: None,
    }
}

fn planned(witness: Option<Witness>, any_method: bool) -> Probe {
    let analysis =
        Analysis { policy: POLICY.into(), paths: vec![path(witness)], unread: Vec::new(), findings: Vec::new() };
    let mut next = 0_u128;
    let nonce = || {
        next += u128::from_be_bytes([1; 16]);
        Ok::<_, ()>(next.to_be_bytes())
    };
    let mut probes = plan(&[analysis], Probing { any_method, confidence: 0.99 }, nonce).unwrap();
    assert_eq!(probes.len(), 1);
    probes.remove(0)
}

fn get() -> Witness {
    witness("GET", "http://192.0.2.1:80/x")
}

fn request(path: &str, trace_id: Option<&str>) -> RequestLine {
    RequestLine { path: path.into(), trace_id: trace_id.map(str::to_owned), ..RequestLine::default() }
}

#[test]
fn only_what_may_be_sent_and_can_be_is_sent() {
    let rows = [
        (Some(get()), false, Ok(1)),
        (None, false, Err("no witness")),
        (Some(witness("POST", "http://192.0.2.1:80/x")), false, Err("only GET")),
        (Some(witness("POST", "http://192.0.2.1:80/x")), true, Ok(1)),
        (Some(witness("GET", "http://<address of Gateway front>:80/")), false, Err("not known")),
        (Some(witness("GET", "https://192.0.2.1/")), false, Err("only http")),
        (Some(Witness { share: Some(50.0), ..get() }), false, Ok(7)),
        (Some(Witness { share: Some(5.0), ..get() }), false, Ok(90)),
        (Some(Witness { share: Some(0.1), ..get() }), false, Err("more than 1000")),
        (Some(Witness { share: Some(0.0), ..get() }), false, Err("more than 1000")),
        (Some(Witness { share: Some(100.0), ..get() }), false, Ok(1)),
    ];
    for (witness, any_method, expected) in rows {
        let probe = planned(witness.clone(), any_method);
        match (&probe.orders, expected) {
            (Ok(orders), Ok(count)) => assert_eq!(orders.len(), count, "{witness:?}"),
            (Err(why), Err(part)) => {
                assert!(why.contains(part), "{why}");
                assert_eq!(Seen::new(std::slice::from_ref(&probe)).of(&probe), Probed::Unsent { why: why.clone() });
            }
            (orders, _) => panic!("{witness:?}: {orders:?}"),
        }
    }
}

#[test]
fn each_request_has_a_nonce_of_its_own_that_is_found_again() {
    let probe = planned(Some(Witness { share: Some(50.0), ..get() }), false);
    let orders = probe.orders.unwrap();
    let nonces: BTreeSet<_> = orders.iter().map(|order| order.nonce.clone()).collect();
    assert_eq!(nonces.len(), orders.len());
    let (name, value) = &orders[0].headers[0];
    assert_eq!(
        (name.as_str(), value.as_str()),
        (TRACE, format!("00-{}-0101010101010101-00", orders[0].nonce).as_str())
    );
    assert_eq!(nonce_of(&request("/x", Some(&orders[0].nonce))), Some(orders[0].nonce.as_str()));

    // The rule itself asks for a traceparent.
    for (url, expected) in [("http://192.0.2.1/x", "/x?"), ("http://192.0.2.1/x?q=1", "/x?q=1&")] {
        let own = Witness { headers: vec![("Traceparent".into(), "a0-01".into())], ..witness("GET", url) };
        let order = &planned(Some(own.clone()), false).orders.unwrap()[0];
        assert_eq!(order.headers, own.headers);
        let target = order.url.strip_prefix("http://192.0.2.1").unwrap();
        assert_eq!(target, format!("{expected}{PARAMETER}={}", order.nonce));
        assert_eq!(nonce_of(&request(target, Some("a0"))), Some(order.nonce.as_str()));
    }
    assert_eq!(nonce_of(&request("/x?waypoint=1", None)), None);
}

/// What it is about, verdicts under policies, the answer, what is said, whether it may have been missed.
type Row<'p> = (&'static str, Vec<(&'p NamespacedName, Verdict)>, Option<Sent>, Probed, bool);

#[test]
fn what_is_said_of_a_witness_follows_from_every_verdict_and_answer() {
    let policy = NamespacedName { namespace: "hello".into(), name: "policy".into() };
    let other = NamespacedName { namespace: "hello".into(), name: "other".into() };
    let bypassed = Verdict::Bypassed([Bypass::RouteBypass].into_iter().collect());
    let unverified = Verdict::Unverified(Reason::NoDeparture);
    let caught = |requests| Probed::Caught { kinds: "RouteBypass".into(), requests, of: 1 };
    let rows: Vec<Row<'_>> = vec![
        ("caught", vec![(&policy, bypassed.clone())], Some(Sent::Answered(200)), caught(1), false),
        (
            "caught, without an answer",
            vec![(&policy, bypassed.clone())],
            Some(Sent::Broken("reset".into())),
            caught(1),
            false,
        ),
        ("verified at first", vec![(&policy, Verdict::Verified), (&policy, bypassed.clone())], None, caught(1), false),
        ("a copy was caught", vec![(&policy, bypassed.clone()), (&policy, Verdict::Verified)], None, caught(1), false),
        (
            "under another policy",
            vec![(&other, bypassed)],
            Some(Sent::Answered(200)),
            Probed::Unseen { of: 1, status: 200 },
            true,
        ),
        ("verified", vec![(&policy, Verdict::Verified)], Some(Sent::Answered(200)), Probed::Refuted { of: 1 }, false),
        (
            "not clear",
            vec![(&policy, unverified.clone())],
            Some(Sent::Answered(200)),
            Probed::Unclear { why: Reason::NoDeparture.to_string() },
            true,
        ),
        (
            "clear in the end",
            vec![(&policy, unverified), (&policy, Verdict::Verified)],
            None,
            Probed::Refuted { of: 1 },
            false,
        ),
        ("answered and not seen", vec![], Some(Sent::Answered(200)), Probed::Unseen { of: 1, status: 200 }, true),
        ("refused and not seen", vec![], Some(Sent::Answered(404)), Probed::Unseen { of: 1, status: 404 }, false),
        (
            "not reached",
            vec![],
            Some(Sent::NotConnected("refused".into())),
            Probed::Unsent { why: "refused".into() },
            false,
        ),
        ("not sent", vec![], None, Probed::Unsent { why: "it was not sent in time".into() }, false),
    ];
    for (what, verdicts, sent, expected, is_missed) in rows {
        let probe = planned(Some(get()), false);
        let nonce = probe.orders.as_ref().unwrap()[0].nonce.clone();
        let mut seen = Seen::new(std::slice::from_ref(&probe));
        for (policy, verdict) in &verdicts {
            seen.judged(policy, &nonce, verdict);
        }
        let failed = matches!(sent, Some(Sent::NotConnected(_) | Sent::Broken(_)));
        sent.into_iter().for_each(|sent| seen.sent(&nonce, sent));
        let probed = seen.of(&probe);
        assert_eq!(probed, expected, "{what}");
        assert_eq!(probed.is_missed(), is_missed, "{what}");
        assert_eq!(seen.is_all(), failed || !verdicts.is_empty(), "{what}");
    }
}

#[test]
fn of_requests_of_others_nothing_is_kept() {
    let policy = NamespacedName { namespace: "hello".into(), name: "policy".into() };
    let probe = planned(Some(get()), false);
    let mut seen = Seen::new(&[probe]);
    seen.judged(&policy, "0af7651916cd43dd8448eb211c80319c", &Verdict::Verified);
    seen.sent("0af7651916cd43dd8448eb211c80319c", Sent::Answered(200));
    assert_eq!(seen.0.len(), 1);
    assert!(!seen.is_all());
}
