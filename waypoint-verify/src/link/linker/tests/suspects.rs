//! What cannot be read, or was forgotten, may have caused a departure.

use crate::link::Limits;
use crate::link::testing::{Scene, gateway, request, waypoint};
use crate::model::{ForwardedFor, Guards, Reason};

const CLIENT: &str = "10.0.0.9";
const OTHER: &str = "10.0.0.8";

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
