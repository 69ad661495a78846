//! Which entries a departure is linked with.

use crate::link::Limits;
use crate::link::testing::{GuardsExt, OWN, Scene, gateway, request, set, waypoint};
use crate::model::{ForwardedFor, Guards, MessageKey, Reason, Touch};

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
    for (field, entry, departure) in rows {
        let mut guarded = Scene::of(&gateway());
        guarded.enters(&entry, CLIENT);
        assert!(guarded.departs(&departure).1.candidates.is_empty(), "{field}: {departure:?}");

        let mut open = Scene::of(&unguarded(field));
        let cause = open.enters(&entry, CLIENT);
        assert_eq!(open.departs(&departure).1.candidates[..], [cause], "{field}: {departure:?}");
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
fn an_entry_causes_nothing_before_its_head_is_complete_or_after_its_exchange() {
    let mut scene = Scene::of(&gateway());
    let before = scene.departs(&request("GET /a").from(CLIENT)).1;
    assert!(before.candidates.is_empty());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.answered(cause);
    scene.passes(4);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
    scene.passes(2);
    assert!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates.is_empty());
}

#[test]
fn a_request_that_its_sender_resets_ends_alone_and_after_a_while() {
    let mut scene = Scene::of(&gateway());
    let given_up = scene.enters(&request("GET /a"), CLIENT);
    let kept = MessageKey { stream: 3, ..given_up };
    scene.enters_as(kept, &request("GET /a"), CLIENT.parse().unwrap());
    scene.linker.reset(given_up, scene.ns);
    scene.passes(1_900);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [given_up, kept]);
    scene.passes(200);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [kept]);
}

#[test]
fn a_closed_connection_ends_an_exchange_after_a_while() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.closed(cause);
    scene.passes(1_900);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
    scene.passes(200);
    assert!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates.is_empty());
}

#[test]
fn a_later_request_on_the_same_connection_ends_nothing() {
    let mut scene = Scene::of(&gateway());
    let first = scene.enters(&request("GET /a"), CLIENT);
    let second = crate::model::MessageKey { offset: 100, ..first };
    scene.enters_as(second, &request("GET /b"), CLIENT.parse().unwrap());
    scene.passes(2_600);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [first]);
}

#[test]
fn a_departure_whose_head_came_in_pieces_is_linked_by_its_beginning() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.order += 1;
    let began = scene.order;
    scene.passes(1);
    let late = scene.enters(&request("GET /a"), CLIENT);
    scene.answered(cause);
    scene.passes(10);
    let link = scene.departs_late(&request("GET /a").from(CLIENT), began).1;
    assert_eq!((&link.candidates[..], link.wild), (&[cause][..], None));
    assert_ne!(late, cause);
    // Long after, what was open then is forgotten: this is said.
    scene.passes(100);
    assert_eq!(scene.departs_late(&request("GET /a").from(CLIENT), began).1.wild, Some(Reason::Evicted));
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

#[test]
fn a_stream_that_cannot_be_read_may_cause_what_its_peer_allows_while_it_lives() {
    let mut scene = Scene::of(&gateway());
    let conn = scene.wild(CLIENT, Reason::Opaque);
    let wild = |scene: &mut Scene, peer: &str| scene.departs(&request("GET /a").from(peer)).1.wild;
    assert_eq!(wild(&mut scene, CLIENT), Some(Reason::Opaque));
    assert_eq!(wild(&mut scene, OTHER), None);
    scene.linker.closed(conn, scene.ns);
    scene.passes(1_900);
    assert_eq!(wild(&mut scene, CLIENT), Some(Reason::Opaque));
    scene.passes(200);
    assert_eq!(wild(&mut scene, CLIENT), None);

    let tamed = scene.wild(CLIENT, Reason::Lost);
    scene.linker.tame(tamed);
    assert_eq!(wild(&mut scene, CLIENT), None);

    scene.wild("127.0.0.1", Reason::Gap);
    assert_eq!(wild(&mut scene, OTHER), Some(Reason::Gap), "a loopback peer shows as anyone");
}

#[test]
fn more_unreadable_streams_than_are_kept_affect_what_is_of_their_peers_until_the_last_of_them_ends() {
    let mut scene = Scene::limited(&gateway(), Limits { wild: 1, ..Limits::default() });
    let kept = scene.wild(CLIENT, Reason::Gap);
    let crowded = scene.wild(CLIENT, Reason::Gap);
    let wild = |scene: &mut Scene| scene.departs(&request("GET /a").from(CLIENT)).1.wild;
    assert_eq!(wild(&mut scene), Some(Reason::Bound));
    assert_eq!(scene.departs(&request("GET /a").from(OTHER)).1.wild, None);
    scene.linker.closed(kept, scene.ns);
    scene.passes(2_100);
    assert_eq!(wild(&mut scene), Some(Reason::Bound), "the other one is still open");
    scene.linker.closed(crowded, scene.ns);
    scene.passes(1_900);
    assert_eq!(wild(&mut scene), Some(Reason::Bound), "and may have just been read");
    scene.passes(200);
    assert_eq!(wild(&mut scene), None);

    // Where nothing tells peers apart it may be anybody's; and one that was whole after all, nobody's.
    let mut scene = Scene::limited(
        &Guards { forwarded_for: ForwardedFor::Unknown, ..waypoint() },
        Limits { wild: 0, ..Limits::default() },
    );
    let tamed = scene.wild(CLIENT, Reason::Lost);
    let wild = |scene: &mut Scene| scene.departs(&request("GET /a").from(OTHER)).1.wild;
    assert_eq!(wild(&mut scene), Some(Reason::Bound));
    scene.linker.tame(tamed);
    assert_eq!(wild(&mut scene), None);
}

#[test]
fn a_forgotten_entry_may_cause_what_its_peer_allows_until_it_is_over() {
    for guards in [gateway(), waypoint()] {
        let mut scene = Scene::limited(&guards, Limits { live_entries: 1, ..Limits::default() });
        let forgotten = scene.enters(&request("GET /a"), CLIENT);
        let kept = scene.enters(&request("GET /b"), CLIENT);
        let link = scene.departs(&request("GET /b").from(CLIENT)).1;
        assert_eq!((&link.candidates[..], link.wild, link.counted), (&[kept][..], Some(Reason::Evicted), false));
        assert_eq!((scene.linker.evicted, scene.linker.live()), (1, 1));
        assert_eq!(scene.departs(&request("GET /b").from(OTHER)).1.wild, None);
        scene.answered(forgotten);
        scene.passes(30);
        assert_eq!(scene.departs(&request("GET /b").from(CLIENT)).1.wild, None);
    }
}

#[test]
fn a_mirror_behind_a_gateway_is_a_copy_of_its_entry_also_when_it_is_late() {
    let copy = |path: &str| request(path).host("hello-shadow:80").with("x-forwarded-for", &format!("{CLIENT},{OWN}"));
    let mut scene = Scene::of(&gateway().mirroring());
    let cause = scene.enters(&request("GET /a").host("hello:80"), CLIENT);
    scene.enters(&request("GET /a").host("hello:80"), OTHER);
    let link = scene.departs(&copy("GET /a")).1;
    assert_eq!((&link.candidates[..], link.mirror, link.counted), (&[cause][..], true, false));
    assert!(scene.departs(&copy("GET /b")).1.candidates.is_empty());
    scene.answered(cause);
    scene.closed(cause);
    scene.passes(2_600);
    assert_eq!(scene.departs(&copy("GET /a")).1.candidates[..], [cause]);
    scene.passes(15_000);
    assert!(scene.departs(&copy("GET /a")).1.candidates.is_empty());

    let mut plain = Scene::of(&gateway());
    plain.enters(&request("GET /a").host("hello:80"), CLIENT);
    assert!(plain.departs(&copy("GET /a")).1.candidates.is_empty(), "no route mirrors");
}

#[test]
fn a_copy_of_something_forgotten_is_not_called_made_up() {
    let mut scene = Scene::limited(&gateway().mirroring(), Limits { live_entries: 1, ..Limits::default() });
    for _ in 0..3 {
        let entry = scene.enters(&request("GET /a"), CLIENT);
        scene.answered(entry);
        scene.passes(30);
    }
    let copy = request("GET /a").host("hello-shadow").with("x-forwarded-for", &format!("{CLIENT},{OWN}"));
    assert_eq!(scene.departs(&copy).1.wild, Some(Reason::Evicted));
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

#[test]
fn a_tunnel_may_cause_anything_while_its_connection_lives() {
    let mut scene = Scene::of(&gateway());
    let conn = scene.wild(OTHER, Reason::Malformed);
    scene.enters(&request("GET /a"), CLIENT);
    assert_eq!(
        scene.departs(&request("GET /a").from(CLIENT)).1.wild,
        None,
        "a stream that cannot be read is its peer's"
    );
    scene.linker.tunnel(conn, scene.order);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.wild, Some(Reason::Opaque));
    scene.linker.closed(conn, scene.ns);
    scene.passes(2_100);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.wild, None);
}
