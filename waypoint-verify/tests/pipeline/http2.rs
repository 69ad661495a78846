//! HTTP/2 on some or all hops: streams at once, ends in any order, and what an attacker makes of that.

use waypoint_verify::probe::{Direction, Side};

use crate::world::http2::{END_STREAM, PREFACE, answer, data, frame, headers, reset, settings};
use crate::world::{BACKEND, CLIENT, Connection, Path, TARGET, World, texts};

/// A path whose hops speak HTTP/2 where `http2` says so.
struct Mixed {
    path: Path,
    http2: [bool; 4],
}

impl Mixed {
    fn open(world: &mut World, http2: [bool; 4]) -> Self {
        let mut mixed = Self { path: Path::open(world), http2 };
        for place in (0..4).filter(|place| http2[*place]) {
            let connection = mixed.path.connection(place);
            world.write(connection, &[PREFACE, &settings()].concat());
            world.respond_with(connection, &settings());
        }
        mixed
    }

    fn request(&mut self, world: &mut World, place: usize, stream: u32, text: &str, ends: u8) {
        let connection = self.path.connection(place);
        match self.http2[place] {
            true => world.write(connection, &headers(stream, ends, text)),
            false => world.request(connection, text),
        }
    }

    /// A request without a body on every hop.
    fn through(&mut self, world: &mut World, stream: u32, target: &str, extra: &str) {
        for (place, text) in texts("GET", target, extra).iter().enumerate() {
            self.request(world, place, stream, text, END_STREAM);
        }
    }

    fn respond(&mut self, world: &mut World, stream: u32) {
        for place in (0..4).rev() {
            self.answer(world, place, stream);
        }
    }

    fn answer(&mut self, world: &mut World, place: usize, stream: u32) {
        let connection = self.path.connection(place);
        match self.http2[place] {
            true => world.respond_with(connection, &answer(stream)),
            false => world.respond(connection),
        }
    }
}

const ALL: [bool; 4] = [true; 4];

#[test]
fn a_request_is_followed_through_any_mix_of_versions() {
    for mix in 0..16u8 {
        let mut world = World::default();
        let mut mixed = Mixed::open(&mut world, [0, 1, 2, 3].map(|place| mix >> place & 1 == 1));
        for (number, extra) in [(1, ""), (3, "cookie: a=1; b=2\n"), (5, "te: trailers\nx-order-id: 7\n")] {
            mixed.through(&mut world, number, &format!("/{number}"), extra);
            mixed.respond(&mut world, number);
        }
        world.tick(50);
        assert_eq!(world.verdicts(), ["Verified"; 3], "{mix:04b}");
        mixed.path.close(&mut world);
        world.tick(3000);
        assert!(!world.unsettled());
    }
}

#[test]
fn streams_at_once_are_answered_in_any_order() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    for number in 0..50 {
        mixed.through(&mut world, 2 * number + 1, &format!("/{number}"), "");
    }
    for number in (0..50).rev() {
        mixed.respond(&mut world, 2 * number + 1);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"; 50]);
    assert!(!world.unsettled());
}

#[test]
fn a_verdict_is_provisional_while_a_stream_is_open_and_its_neighbours_are_not_held_up() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    for (place, text) in texts("POST", "/slow", "").iter().enumerate() {
        mixed.request(&mut world, place, 1, text, 0);
    }
    mixed.through(&mut world, 3, "/quick", "");
    mixed.respond(&mut world, 3);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified (provisional)", "Verified"]);
    for place in 0..4 {
        world.write(mixed.path.connection(place), &data(1, END_STREAM, b"body"));
    }
    mixed.respond(&mut world, 1);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Verified"]);
}

/// Behind a target nothing departs: of what it answers in HTTP/2 nothing is copied. When a proxy's exchanges end must be seen.
#[test]
fn answers_are_seen_where_their_end_matters() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    mixed.through(&mut world, 1, "/", "");
    mixed.respond(&mut world, 1);
    for place in 0..4 {
        let granted = world.granted(mixed.path.connection(place), Direction::Response);
        assert_eq!(granted.is_some(), place == 3, "{place}");
    }
    // In HTTP/1.1 the next answer could change the protocol.
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, [false; 4]);
    mixed.through(&mut world, 1, "/", "");
    mixed.respond(&mut world, 1);
    assert_eq!(world.granted(mixed.path.connection(3), Direction::Response), None);
}

/// One connection of the gateway carries what came through the waypoint and what a route sent past it.
#[test]
fn a_stream_that_a_route_sent_past_the_waypoint_is_told_from_its_neighbours() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    mixed.through(&mut world, 1, "/genuine", "");
    let [entered, sent, ..] = texts("GET", "/past", "");
    mixed.request(&mut world, 0, 3, &entered, END_STREAM);
    mixed.request(&mut world, 3, 3, &sent, END_STREAM);
    mixed.through(&mut world, 5, "/genuine", "");
    for stream in [5, 1] {
        mixed.respond(&mut world, stream);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Bypassed(RouteBypass)", "Verified"]);
}

#[test]
fn a_client_that_resets_its_stream_has_still_asked() {
    for acknowledged in [true, false] {
        let mut world = World::default();
        let mut mixed = Mixed::open(&mut world, ALL);
        for (place, text) in texts("POST", "/up", "").iter().enumerate() {
            mixed.request(&mut world, place, 1, text, 0);
        }
        for place in 0..4 {
            world.write(mixed.path.connection(place), &data(1, 0, b"some"));
        }
        for place in 0..4 {
            let connection = mixed.path.connection(place);
            match acknowledged {
                true => world.write(connection, &reset(1)),
                false => {
                    world.data(&*connection, Side::Active, connection.sent, &reset(1), 0);
                    world.data(&*connection, Side::Passive, connection.sent, &reset(1), 0);
                }
            }
        }
        world.tick(2500);
        let expected = if acknowledged { "Verified" } else { "Verified (provisional)" };
        assert_eq!(world.verdicts(), [expected], "what the receiver has not acknowledged ends nothing");
    }
}

/// HEADERS and RST_STREAM in one packet: the server has the request all the same.
#[test]
fn a_direct_stream_does_not_hide_behind_its_reset() {
    let mut world = World::default();
    let mut direct: Connection = world.connect(CLIENT, "10.244.1.1:40100", BACKEND, TARGET);
    let get = texts("GET", "/", "")[0].clone();
    world.write(&mut direct, &[PREFACE, &settings(), &headers(1, END_STREAM, &get), &reset(1)].concat());
    world.write(&mut direct, &[headers(3, 0, &get), reset(3)].concat());
    world.close(&direct);
    world.tick(3000);
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"; 2]);
}

#[test]
fn what_follows_a_malformed_frame_is_unreadable_and_what_was_whole_before_it_is_not() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    mixed.through(&mut world, 1, "/before", "");
    mixed.respond(&mut world, 1);
    world.tick(50);
    // SETTINGS on a stream, at the target.
    world.write(&mut mixed.path.to_backend, &frame(4, 0, 1, &[]));
    let get = texts("GET", "/after", "")[3].clone();
    world.write(&mut mixed.path.to_backend, &headers(3, END_STREAM, &get));
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(malformed)", "Verified"]);
}

/// A gateway's departure speaks HTTP/2, the stream at the target says something else: someone is in between.
#[test]
fn another_header_block_at_the_target_is_a_conflict() {
    let mut world = World::default();
    let mut mixed = Mixed::open(&mut world, ALL);
    let written = texts("GET", "/", "");
    for (place, text) in written.iter().enumerate().take(3) {
        mixed.request(&mut world, place, 1, text, END_STREAM);
    }
    let last = mixed.path.to_backend;
    world.data(&last, Side::Active, last.sent, &headers(1, END_STREAM, &written[3]), 0);
    let other = written[3].replace("GET", "PUT");
    world.data(&last, Side::Passive, last.sent, &headers(1, END_STREAM, &other), 0);
    world.acknowledge(&last, last.sent + u32::try_from(headers(1, 1, &other).len()).unwrap());
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(conflict)"]);
}

const H2C: &str = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n";

#[test]
fn after_an_upgrade_to_http2_the_first_request_is_answered_on_stream_1_and_others_follow() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let asked = texts("GET", "/first", H2C);
    let plain = texts("GET", "/first", "");
    world.request(&mut path.client, &asked[0]);
    world.respond_with(
        &mut path.client,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    );
    world.write(&mut path.client, &[PREFACE, &settings()].concat());
    world.respond_with(&mut path.client, &settings());
    for (place, text) in plain.iter().enumerate().skip(1) {
        world.request(path.connection(place), text);
    }
    for connection in [&mut path.to_backend, &mut path.to_upstream, &mut path.to_waypoint] {
        world.respond(connection);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    world.respond_with(&mut path.client, &answer(1));
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
    let next = texts("GET", "/next", "");
    world.write(&mut path.client, &headers(3, END_STREAM, &next[0]));
    for (place, text) in next.iter().enumerate().skip(1) {
        world.request(path.connection(place), text);
    }
    for connection in [&mut path.to_backend, &mut path.to_upstream, &mut path.to_waypoint] {
        world.respond(connection);
    }
    world.respond_with(&mut path.client, &answer(3));
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Verified"]);
}

/// h2c smuggling: the target speaks HTTP/2 after an upgrade that a proxy passed on as if it were nothing.
#[test]
fn requests_over_an_upgraded_connection_to_the_target_are_each_judged() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/innocent", H2C);
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n";
    world.respond_with(&mut path.to_backend, switched);
    let [_, sent, ..] = texts("GET", "/smuggled", "");
    world.write(&mut path.to_backend, &[PREFACE, &settings(), &headers(3, END_STREAM, &sent)].concat());
    world.tick(50);
    assert_eq!(world.verdicts().len(), 2);
    assert!(!world.verdicts()[1].starts_with("Verified"), "{:?}", world.verdicts());
}

#[test]
fn a_body_that_ends_elsewhere_at_the_target_is_a_conflict() {
    let mut world = World::default();
    let mut path = Mixed::open(&mut world, [false, false, false, true]);
    let written = texts("POST", "/up", "Transfer-Encoding: chunked\n");
    for (place, text) in written.iter().enumerate().take(3) {
        path.request(&mut world, place, 1, &format!("{text}3\nabc\n0\n\n"), 0);
    }
    let last = &mut path.path.to_backend;
    let head = headers(1, 0, &written[3]);
    let (whole, cut) =
        ([&head[..], &data(1, END_STREAM, b"abc")].concat(), [&head[..], &data(1, END_STREAM, b"ab")].concat());
    world.data(last, Side::Active, last.sent, &whole, 0);
    world.data(last, Side::Passive, last.sent, &cut, 0);
    last.sent += u32::try_from(cut.len()).unwrap();
    let last = *last;
    world.acknowledge(&last, last.sent);
    path.respond(&mut world, 1);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(conflict)"]);
}
