//! Which entries a departure is linked with.

use crate::link::Limits;
use crate::link::testing::{GuardsExt, OWN, Request, Scene, gateway, request, set, waypoint};
use crate::model::{ForwardedFor, Guards, Touch};

const CLIENT: &str = "10.0.0.9";
const OTHER: &str = "10.0.0.8";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn each_constraint_contradicts_where_it_is_guarded_and_not_where_it_is_not() {
    let with = |name: &str, value: &str| request("GET /a").with(name, value);
    let unguarded = |field: &str| {
        let mut guards = gateway();
        match field {
            "method" => guards.method = None,
            "path" => guards.path = None,
            "authority" => guards.authority = None,
            "forwarded" => guards.forwarded_for = ForwardedFor::Unknown,
            "trace" => guards.trace = false,
            "headers" => guards.end_to_end_headers = false,
            _ => guards = guards.touching(field, Touch::Unknown),
        }
        guards
    };
    let rows = [
        ("method", request("GET /a"), request("POST /a").from(CLIENT)),
        ("path", request("GET /a"), request("GET /b").from(CLIENT)),
        ("authority", request("GET /a"), request("GET /a").host("other").from(CLIENT)),
        ("forwarded", request("GET /a"), request("GET /a").from(OTHER)),
        ("forwarded", with("x-forwarded-for", "1.1.1.1"), with("x-forwarded-for", "1.1.1.2").from(CLIENT)),
        ("x-forwarded-for", request("GET /a"), request("GET /a").from(OTHER)),
        ("trace", with("traceparent", TRACE), with("traceparent", &TRACE.replace("0af", "0bf")).from(CLIENT)),
        ("trace", with("traceparent", TRACE), request("GET /a").from(CLIENT)),
        ("traceparent", request("GET /a"), with("traceparent", TRACE).from(CLIENT)),
        ("headers", with("x-order-id", "1"), with("x-order-id", "2").from(CLIENT)),
        ("headers", with("x-order-id", "1"), request("GET /a").from(CLIENT)),
        ("x-order-id", request("GET /a"), with("x-order-id", "2").from(CLIENT)),
    ];
    // An entry of which a header is dropped is compared one by one, all others by class.
    let irregular = |entry: &Request| entry.clone().with("x-gone", "1").with("connection", "x-gone");
    for (field, regular, departure) in rows {
        for entry in [irregular(&regular), regular] {
            let mut guarded = Scene::of(&gateway());
            guarded.enters(&entry, CLIENT);
            assert!(guarded.departs(&departure).1.candidates.is_empty(), "{field}: {entry:?} {departure:?}");

            let mut open = Scene::of(&unguarded(field));
            let cause = open.enters(&entry, CLIENT);
            assert_eq!(open.departs(&departure).1.candidates[..], [cause], "{field}: {entry:?} {departure:?}");
        }
    }
}

#[test]
fn a_waypoint_that_replaces_forwarded_for_leaves_the_peer_alone_in_it() {
    let mut scene = Scene::of(&waypoint());
    let cause = scene.enters(&request("GET /a").with("x-forwarded-for", "1.1.1.1"), CLIENT);
    let rows = [(CLIENT, true), (OTHER, false), ("1.1.1.1,10.0.0.9", false), ("1.1.1.1", false), ("", false)];
    for (value, linked) in rows {
        let link = scene.departs(&request("GET /a").with("X-Forwarded-For", value)).1;
        assert_eq!(link.candidates.contains(&cause), linked, "{value}");
    }
}

#[test]
fn declared_correlation_links_where_the_entry_has_it() {
    let mut scene =
        Scene::of(&Guards { forwarded_for: ForwardedFor::Unknown, ..waypoint() }.correlated_by("x-order-id"));
    let one = scene.enters(&request("GET /").with("x-order-id", "1"), CLIENT);
    let two = scene.enters(&request("GET /").with("x-order-id", "2"), CLIENT);
    let none = scene.enters(&request("GET /"), CLIENT);
    let mut linked = |request| {
        let mut candidates = scene.departs(&request).1.candidates.to_vec();
        candidates.sort();
        candidates
    };
    assert_eq!(linked(request("GET /").with("X-Order-Id", "1")), [one, none]);
    assert_eq!(linked(request("GET /").with("X-Order-Id", "2")), [two, none]);
    assert_eq!(linked(request("GET /")), [none]);
}

#[test]
fn a_route_that_forges_forwarded_for_takes_the_constraint_from_what_carries_its_constant_only() {
    let mut scene = Scene::of(&gateway().touching("x-forwarded-for", set(CLIENT)));
    let genuine = scene.enters(&request("GET /a"), CLIENT);
    let forged = scene.enters(&request("GET /a"), OTHER);
    let mut candidates = scene.departs(&request("GET /a").from(CLIENT)).1.candidates.to_vec();
    candidates.sort();
    assert_eq!(candidates, [genuine, forged]);
    assert_eq!(scene.departs(&request("GET /a").from(OTHER)).1.candidates[..], [forged]);
}

#[test]
fn what_connection_names_is_dropped_and_so_not_compared() {
    for guards in [gateway(), waypoint().correlated_by("traceparent"), waypoint().correlated_by("x-order-id")] {
        let mut scene = Scene::of(&guards);
        let entry = request("GET /a").with("traceparent", TRACE).with("x-order-id", "1");
        let cause = scene.enters(&entry.with("Connection", "traceparent, X-Order-Id"), CLIENT);
        let link = scene.departs(&request("GET /a").from(CLIENT)).1;
        assert_eq!(link.candidates[..], [cause]);
        assert!(scene.departs(&request("GET /b").from(CLIENT)).1.candidates.is_empty());
    }
    let mut scene = Scene::of(&gateway());
    let listed = request("GET /a").with("x-forwarded-for", "1.1.1.1").with("connection", "x-forwarded-for");
    let cause = scene.enters(&listed, CLIENT);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
}

#[test]
fn a_trace_id_that_a_waypoint_may_make_up_contradicts_nothing_and_one_that_entered_does() {
    let other = TRACE.replace("0af", "0bf");
    let rows = [(None, true), (Some(TRACE), false), (Some("unusable"), true)];
    for (entered, linked) in rows {
        for irregular in [false, true] {
            let mut scene = Scene::of(&waypoint().correlated_by("traceparent").correlated_by("x-gone"));
            let mut entry = request("GET /a");
            if irregular {
                entry = entry.with("x-gone", "1").with("connection", "x-gone");
            }
            if let Some(trace) = entered {
                entry = entry.with("traceparent", trace);
            }
            scene.enters(&entry, CLIENT);
            let departure = request("GET /a").with("x-forwarded-for", CLIENT).with("traceparent", &other);
            assert_eq!(!scene.departs(&departure).1.candidates.is_empty(), linked, "{entry:?}");
        }
    }
}

#[test]
fn a_loopback_peer_may_be_anyone_to_envoy() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), "127.0.0.1");
    for last in [OWN, "10.9.9.9"] {
        assert_eq!(scene.departs(&request("GET /a").with("x-forwarded-for", last)).1.candidates[..], [cause]);
    }
    for list in ["1.1.1.1,10.9.9.9", ""] {
        let departure = request("GET /a").with("x-forwarded-for", list);
        assert!(
            scene.departs(&departure).1.candidates.is_empty(),
            "what stands before the last one is the entry's own list"
        );
    }
}

#[test]
fn mapped_peers_are_the_addresses_that_they_map() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), "::ffff:10.0.0.9");
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
}

#[test]
fn a_foreign_process_is_caused_by_nothing() {
    let mut scene = Scene::of(&gateway());
    scene.enters(&request("GET /a"), CLIENT);
    let at = scene.order + 1;
    let link = scene.departs_by(&request("GET /a").from(CLIENT), at, true).1;
    assert!(link.foreign_process && link.candidates.is_empty() && !link.counted && link.wild.is_none());
}

#[test]
fn more_candidates_than_are_named_are_said_to_be_more() {
    let mut scene = Scene::limited(&gateway(), Limits { candidates: 2, ..Limits::default() });
    for _ in 0..3 {
        scene.enters(&request("GET /a"), CLIENT);
    }
    let link = scene.departs(&request("GET /a").from(CLIENT)).1;
    assert!(link.more && link.counted && link.candidates.len() == 2);
}

/// What Envoy makes of a request between HTTP/1.1 and HTTP/2 takes no cause away. Rows: what entered, what departs.
#[test]
fn an_entry_of_one_version_causes_a_departure_of_another() {
    let http1 = |line| request(line).with("cookie", "a=1; b=2").with("x-order-id", "1");
    let http2 = |line| request(line).over_http2().with("cookie", "a=1").with("cookie", "b=2").with("x-order-id", "1");
    let chat = "wss handshake";
    let rows = [
        (http1("GET /a"), http2("GET /a")),
        (http2("GET /a"), http1("GET /a")),
        (http2("GET /a").with("te", "trailers"), http2("GET /a")),
        (http1("POST /a").with("transfer-encoding", "chunked"), http2("POST /a")),
        (
            http2("POST /s/m").with("content-type", "application/grpc"),
            http1("POST /s/m").with("content-type", "application/grpc"),
        ),
        (http1("GET /chat").with("upgrade", "websocket").with("connection", "upgrade"), http2("CONNECT /chat")),
        (http2("CONNECT /chat"), http1("GET /chat").with("upgrade", "websocket").with("connection", "upgrade")),
        (http2("CONNECT /chat"), http2("CONNECT /chat")),
        (http2("CONNECT hello:443").with("x-note", chat), http1("CONNECT hello:443").with("x-note", chat)),
    ];
    for (entry, departure) in rows {
        let mut scene = Scene::of(&gateway());
        let cause = scene.enters(&entry, CLIENT);
        let departure = departure.with("x-forwarded-for", CLIENT);
        assert_eq!(scene.departs(&departure).1.candidates[..], [cause], "{entry:?} -> {departure:?}");
        let other = departure.with("x-other", "1");
        assert!(scene.departs(&other).1.candidates.is_empty(), "{entry:?} -> {other:?}");
    }
    let mut scene = Scene::of(&gateway());
    scene.enters(&http1("GET hello:443"), CLIENT);
    let connect = http2("CONNECT hello:443").with("x-forwarded-for", CLIENT);
    assert!(scene.departs(&connect).1.candidates.is_empty(), "a plain CONNECT is no GET");
}
