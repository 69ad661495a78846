//! Class keys and `possible` say the same.

use std::net::IpAddr;

use proptest::prelude::*;

use crate::link::guard::Plan;
use crate::link::testing::{GuardsExt, OWN, Request, gateway, hasher, request, waypoint};
use crate::model::{Appends, ForwardedFor, Guards, Touch};

const TRACES: [&str; 4] = [
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01",
    "unusable",
];

/// Requests of which many are equal in some of what is compared.
fn requests() -> impl Strategy<Value = Request> {
    let line = prop::sample::select(vec!["GET /", "POST /", "GET /a", "GET /%61"]);
    let host = prop::sample::select(vec!["hello", "hello:80", "", "me@hello"]);
    let field = prop_oneof![
        prop::sample::select(TRACES.to_vec()).prop_map(|value| ("traceparent", value)),
        prop::sample::select(vec![
            "10.0.0.1",
            "10.0.0.2",
            "127.0.0.1",
            "10.0.0.1,10.0.0.2",
            "",
            OWN,
            "::ffff:10.0.0.1",
            "0:0:0:4::a00:1"
        ])
        .prop_map(|value| ("x-forwarded-for", value)),
        prop::sample::select(vec!["traceparent", "x-a", "x-forwarded-for, x-b", "close", "x-none"])
            .prop_map(|value| ("connection", value)),
        (
            prop::sample::select(vec!["x-a", "x-b", "accept", "cookie", "x-request-id"]),
            prop::sample::select(vec!["1", "2", "1,2", ""])
        ),
    ];
    (line, host, prop::collection::vec(field, 0..5)).prop_map(|(line, host, fields)| {
        fields.into_iter().fold(request(line).host(host), |request, (name, value)| request.with(name, value))
    })
}

/// A header that is taken out or set.
fn changes() -> impl Strategy<Value = (&'static str, Option<&'static str>)> {
    let name = prop::sample::select(vec!["traceparent", "x-a", "x-b", "accept", "x-forwarded-for"]);
    (name, prop::option::of(prop::sample::select(vec![TRACES[0], TRACES[2], "1", "2", "10.0.0.2"])))
}

fn guards() -> impl Strategy<Value = Guards> {
    let declared = Guards { forwarded_for: ForwardedFor::Appends(Appends::Declared), ..waypoint() };
    prop::sample::select(vec![
        gateway(),
        gateway().touching("x-a", Touch::Unknown),
        gateway().touching("traceparent", Touch::Unknown),
        Guards { forwarded_for: ForwardedFor::Unknown, ..gateway() },
        waypoint(),
        waypoint().correlated_by("traceparent"),
        waypoint().correlated_by("x-a").correlated_by("x-b"),
        declared.correlated_by("traceparent").correlated_by("x-a"),
        Guards::default(),
    ])
}

fn peers() -> impl Strategy<Value = IpAddr> {
    let peers = ["10.0.0.1", "10.0.0.2", "127.0.0.1", "::ffff:10.0.0.1", "::1", "0:0:0:4::a00:1"];
    prop::sample::select(peers.to_vec()).prop_map(|peer| peer.parse().expect("address"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_regular_entry_is_found_by_class_exactly_where_it_is_possible(
        guards in guards(), entry in requests(), peer in peers(), departure in requests(), derived in any::<bool>(),
        change in prop::option::weighted(0.7, changes()),
    ) {
        let plan = Plan::new(&guards, &hasher());
        // Half of the departures are made from the entry, so that many pairs agree, or differ in one header.
        let departure = if derived {
            let mut made = entry.clone();
            made.set("x-forwarded-for", peer.to_canonical().to_string());
            match change {
                None => {}
                Some((name, None)) => made.remove(name),
                Some((name, Some(value))) => made.set(name, value),
            }
            made
        } else {
            departure
        };
        let (one, other) = (entry.facts(), departure.facts());
        if plan.irregular(&one, peer) {
            return Ok(());
        }
        let key = plan.entry_key(&one, peer, &hasher());
        let by_class = plan.departure_keys(&other, &hasher()).contains(&key);
        prop_assert_eq!(by_class, plan.possible(&one, peer, &other, plan.general));
    }

    #[test]
    fn less_is_used_and_more_is_possible(
        guards in guards(), entry in requests(), peer in peers(), departure in requests(),
    ) {
        let plan = Plan::new(&guards, &hasher());
        let (one, other) = (entry.facts(), departure.facts());
        let used = plan.for_departure(&departure.head(), &other);
        prop_assert!(!plan.possible(&one, peer, &other, plan.general) || plan.possible(&one, peer, &other, used));
    }
}

#[test]
fn an_entry_that_lacks_what_a_waypoint_may_add_is_found_by_every_departure_that_has_it() {
    let plan = Plan::new(&waypoint().correlated_by("traceparent").correlated_by("x-a"), &hasher());
    let peer: IpAddr = "10.0.0.1".parse().unwrap();
    let departs = |request: Request| request.with("x-forwarded-for", "10.0.0.1").facts();
    let full = request("GET /").with("traceparent", TRACES[0]).with("x-a", "1");
    let keys = plan.departure_keys(&departs(full.clone()), &hasher());
    assert_eq!(keys.len(), 4);
    let rows = [
        (full.clone(), Some(0)),
        (request("GET /").with("traceparent", TRACES[1]), Some(1)),
        (request("GET /").with("x-a", "1"), Some(2)),
        (request("GET /"), Some(3)),
        (request("GET /").with("x-a", "2"), None),
        (request("GET /").with("traceparent", TRACES[2]), None),
    ];
    for (entry, place) in rows {
        let key = plan.entry_key(&entry.facts(), peer, &hasher());
        let found = keys.iter().position(|other| *other == key);
        assert_eq!(found.is_some(), place.is_some(), "{entry:?}");
        // The one that says most is first, the one that says nothing last.
        assert!(place.is_none_or(|place| (place == 0) == (found == Some(0)) && (place == 3) == (found == Some(3))));
    }
    assert_eq!(plan.departure_keys(&departs(request("GET /")), &hasher()).len(), 1);
}
