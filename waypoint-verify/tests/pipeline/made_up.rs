//! What a gateway sends that no request asked for, although one that entered looks just like it.

use waypoint_verify::model::{ForwardedFor, Guards};
use waypoint_verify::probe::Side;

use crate::world::{ATTACKER, ENVOY, OTHER, Path, World, gateway_guards, policy, texts};
use crate::world::{watch_list, waypoint_guards};

fn world(forwarded_for: ForwardedFor, makes_up: bool) -> World {
    let guards = Guards { forwarded_for, makes_up, ..gateway_guards() };
    World::new(watch_list(policy(), guards, waypoint_guards()))
}

const MARK: &str = "X-Checked: yes\n";

/// A genuine request that came through the waypoint, which marks it, and that the gateway behind it keeps to itself.
fn held_back(world: &mut World) -> Path {
    let mut path = Path::open(world);
    for (place, extra) in ["", "", MARK].into_iter().enumerate() {
        world.request(path.connection(place), &texts("GET", "/", extra)[place]);
    }
    path
}

fn departure() -> Vec<u8> {
    texts("GET", "/", MARK)[3].replace('\n', "\r\n").into_bytes()
}

/// Rows: what the inventory says of the gateway, and what may be said then.
const ROWS: [(bool, &str); 2] = [(false, "Verified"), (true, "Unverified(unguarded)")];

#[test]
fn a_health_check_that_is_worded_like_a_request_is_not_taken_for_it() {
    for (makes_up, expected) in ROWS {
        let mut world = world(gateway_guards().forwarded_for, makes_up);
        let mut path = held_back(&mut world);
        world.write(&mut path.to_backend, &departure());
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected]);
    }
}

/// A TCP proxy passes on the beginning of a head before the rest of it has come: so what it came from entered too late.
#[test]
fn nor_is_what_a_tcp_proxy_passes_on_in_pieces() {
    for (makes_up, expected) in ROWS {
        let mut world = world(ForwardedFor::Unknown, makes_up);
        let mut path = held_back(&mut world);
        let mut attacker = world.connect(ATTACKER, "10.244.1.66:666", ENVOY, OTHER);
        let text = departure();
        for piece in [&text[..5], &text[5..]] {
            world.write(&mut attacker, piece);
            let sent = path.to_backend.sent;
            world.data(&path.to_backend, Side::Active, sent, piece, 0);
            world.data(&path.to_backend, Side::Passive, sent, piece, 0);
            path.to_backend.sent += u32::try_from(piece.len()).unwrap();
            world.acknowledge(&path.to_backend, path.to_backend.sent);
        }
        world.respond(&mut path.to_backend);
        world.respond(&mut attacker);
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected]);
    }
}

/// What is certain stays so: whoever may have made it up, it did not come through the waypoint.
#[test]
fn a_bypass_is_one_whatever_the_gateway_may_make_up() {
    let mut world = world(gateway_guards().forwarded_for, true);
    let mut path = Path::open(&mut world);
    let mut client = world.connect(ATTACKER, "10.244.1.66:666", ENVOY, OTHER);
    world.request(&mut client, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_backend, "GET / HTTP/1.1\nhost: hello\nx-forwarded-for: 10.244.1.66\n\n");
    world.request(&mut path.to_backend, "GET /alone HTTP/1.1\nhost: hello\nx-forwarded-for: 10.244.1.66\n\n");
    assert_eq!(world.verdicts(), ["Bypassed(RouteBypass)", "Bypassed(UnknownSender)"]);
}
