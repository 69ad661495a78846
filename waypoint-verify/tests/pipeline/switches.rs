//! Requests that ask for another protocol: what comes after them is theirs only if the target said so.

use crate::world::{CLIENT, Connection, Path, TARGET, World, texts};

const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
const DECLINED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn asked(world: &mut World) -> Path {
    let mut path = Path::open(world);
    path.request(world, "/chat", UPGRADE);
    path
}

fn answered(world: &mut World, path: &mut Path, answer: &[u8]) {
    for place in (0..4).rev() {
        world.respond_with(path.connection(place), answer);
    }
}

/// Octets of a tunnel that would be a request if it were none.
const TUNNELLED: &str = "GET /inside HTTP/1.1\nHost: hello\n\n";

#[test]
fn what_follows_an_accepted_upgrade_belongs_to_its_handshake() {
    let mut world = World::default();
    let mut path = asked(&mut world);
    answered(&mut world, &mut path, SWITCHED);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"], "final, although the tunnel is open");
    for _ in 0..3 {
        for place in 0..4 {
            world.request(path.connection(place), TUNNELLED);
        }
    }
    path.close(&mut world);
    world.tick(3000);
    assert_eq!(world.verdicts(), ["Verified"]);
    let octets = 3 * TUNNELLED.replace('\n', "\r\n").len() as u64;
    assert_eq!((world.counters().tunnels, world.counters().tunnelled_octets), (1, octets));
    assert!(!world.unsettled());
}

#[test]
fn a_connection_whose_upgrade_was_declined_goes_on_with_requests() {
    let mut world = World::default();
    let mut path = asked(&mut world);
    answered(&mut world, &mut path, DECLINED);
    path.request(&mut world, "/next", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Verified"]);
}

/// The gateway's connection to the target is a pool's: the next request on it may have come by any route.
#[test]
fn a_bypass_does_not_hide_behind_an_upgrade_that_the_target_declined() {
    let mut world = World::default();
    let mut path = asked(&mut world);
    answered(&mut world, &mut path, DECLINED);
    let [entered, sent, ..] = texts("GET", "/inside", "");
    world.request(&mut path.client, &entered);
    world.request(&mut path.to_backend, &sent);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Bypassed(RouteBypass)"]);
}

#[test]
fn an_answer_to_another_request_does_not_decide_on_an_upgrade() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/before", "");
    path.request(&mut world, "/chat", UPGRADE);
    path.respond(&mut world);
    answered(&mut world, &mut path, SWITCHED);
    for place in 0..4 {
        world.request(path.connection(place), TUNNELLED);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Verified"]);
    assert_eq!(world.counters().tunnels, 1);
}

#[test]
fn without_an_answer_that_was_seen_what_follows_is_unreadable() {
    for lie in [&b""[..], b"HTTP/1.1 101"] {
        let mut world = World::default();
        let mut path = asked(&mut world);
        if !lie.is_empty() {
            answered(&mut world, &mut path, lie);
        }
        for place in 0..4 {
            world.request(path.connection(place), TUNNELLED);
        }
        world.tick(50);
        assert!(world.verdicts().contains(&"Unverified(opaque)".to_owned()), "{:?}", world.verdicts());
        assert!(!world.verdicts().contains(&"Verified".to_owned()));
    }
}

#[test]
fn a_tunnel_that_a_stranger_dialled_is_his() {
    let mut world = World::default();
    let mut direct: Connection = world.connect(CLIENT, "10.244.1.1:40100", crate::world::BACKEND, TARGET);
    world.request(&mut direct, &texts("GET", "/chat", UPGRADE)[0]);
    world.respond_with(&mut direct, SWITCHED);
    world.request(&mut direct, TUNNELLED);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
}

/// A proxy that ends CONNECT sends on what the client writes into the tunnel: a request that nothing entered as.
#[test]
fn what_departs_while_a_proxy_holds_a_tunnel_open_is_not_verified() {
    for (answer, expected) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], "Unverified(opaque)"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "Verified"),
    ] {
        let mut world = World::default();
        let mut tunnel = world.connect(CLIENT, "10.244.1.1:40200", crate::world::ENVOY, crate::world::ENTRY);
        world.request(&mut tunnel, "CONNECT hello-backend:8083 HTTP/1.1\nHost: hello-backend:8083\n\n");
        world.respond_with(&mut tunnel, answer);
        world.tick(50);
        let mut path = Path::open(&mut world);
        path.request(&mut world, "/", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected]);
        world.close(&tunnel);
        world.tick(3000);
        path.request(&mut world, "/later", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected, "Verified"]);
    }
}
