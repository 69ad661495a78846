//! One client who takes all that there is of something: it costs him, and nobody else.

use waypoint_verify::probe::{Data, Direction, Record, Side};
use waypoint_verify::trace::Limits;
use waypoint_verify::{judge, link};

use crate::world::{
    ATTACKER, CADDY, Connection, ENVOY, OTHER, Path, SIDECAR, UPSTREAM, WAYPOINT_IP, World, gateway_guards, policy,
    texts, watch_list, waypoint_guards,
};

fn bounded(limits: Limits) -> World {
    let watch = watch_list(policy(), gateway_guards(), waypoint_guards());
    World::bounded(watch, limits, judge::Limits::default())
}

/// Connections of one pod to the gateway that all others use, too.
fn attack(world: &mut World, count: u16, text: &str) -> Vec<Connection> {
    let text = text.replace('\n', "\r\n");
    let dial = |port: u16| {
        let mut connection =
            world.connect_by(7, ATTACKER, &format!("10.244.1.66:{}", 1000 + port), ENVOY, OTHER, OTHER);
        if !text.is_empty() {
            world.write(&mut connection, text.as_bytes());
        }
        connection
    };
    (0..count).map(dial).collect()
}

#[test]
fn what_one_client_takes_of_a_gateway_blinds_no_other_client() {
    let half_a_head = format!("GET / HTTP/1.1\nHost: hello\nx: {}", "y".repeat(20_000));
    let links = |link: link::Limits| Limits { link, ..Limits::default() };
    let rows = [
        ("sockets", Limits { sockets: 20, ..Limits::default() }, 50, String::new()),
        ("octets of streams", Limits { stream_octets: 100_000, ..Limits::default() }, 10, half_a_head),
        (
            "streams that cannot be read",
            links(link::Limits { wild: 10, ..link::Limits::default() }),
            50,
            "no HTTP\n".to_owned(),
        ),
        (
            "open requests",
            links(link::Limits { live_entries: 20, wild: 10, ..link::Limits::default() }),
            50,
            "POST / HTTP/1.1\nHost: hello\nContent-Length: 9\n\n".to_owned(),
        ),
        (
            "open requests that are asked one by one",
            links(link::Limits { irregular_entries: 20, wild: 10, ..link::Limits::default() }),
            50,
            "GET / HTTP/1.1\nHost: hello\nConnection: x-a\nX-A: b\n\n".to_owned(),
        ),
    ];
    for (what, limits, count, text) in rows {
        let mut world = bounded(limits);
        let mut path = Path::open(&mut world);
        // Half of it before, and half of it meanwhile.
        let before = attack(&mut world, count / 2, &text);
        for (place, text) in texts("POST", "/", "Content-Length: 9\n").iter().enumerate() {
            world.request(path.connection(place), text);
        }
        attack(&mut world, count, &text);
        for place in 0..4 {
            world.request(path.connection(place), "123456789");
        }
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), ["Verified"], "{what}");
        assert_eq!(before.len(), usize::from(count) / 2);
    }
}

#[test]
fn a_connection_that_was_too_much_to_follow_is_no_suspect_for_ever() {
    let mut world = bounded(Limits { sockets: 20, ..Limits::default() });
    let many = attack(&mut world, 50, "");
    let through = |world: &mut World| {
        let mut path = Path::open(world);
        let mut client = world.connect(ATTACKER, "10.244.1.66:900", ENVOY, crate::world::ENTRY);
        let [first, second, third, fourth] = texts("GET", "/", "");
        world.request(&mut client, &first);
        world.request(&mut path.to_waypoint, &second.replace(crate::world::CLIENT_IP, "10.244.1.66"));
        world.request(&mut path.to_upstream, &third);
        world.request(&mut path.to_backend, &fourth);
        path.respond(world);
        world.respond(&mut client);
        world.tick(50);
        for connection in [client, path.client, path.to_waypoint, path.to_upstream, path.to_backend] {
            world.close(&connection);
        }
        world.verdicts().pop().unwrap()
    };
    assert_eq!(through(&mut world), "Unverified(bound)");
    many.iter().for_each(|connection| world.close(connection));
    world.tick(2_500);
    world.tick(50);
    assert_eq!(through(&mut world), "Verified");
}

/// A container beside the waypoint has its address. It opens a second connection with the numbers of its first one and closes that,
/// so that the exchange on the first one looks closed.
#[test]
fn the_end_of_a_connection_with_the_same_numbers_does_not_end_an_exchange() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let all = texts("GET", "/", "");
    // A genuine request that the gateway keeps to itself.
    for (place, text) in all.iter().enumerate().take(3) {
        world.request(path.connection(place), text);
    }
    let mut first = world.connect_by(7, SIDECAR, &format!("{WAYPOINT_IP}:50002"), ENVOY, UPSTREAM, UPSTREAM);
    world.request(&mut first, &all[2]);
    let mut second = world.plan(0, &format!("{WAYPOINT_IP}:50003"), ENVOY, UPSTREAM, UPSTREAM);
    (second.client_isn, second.server_isn) = (first.client_isn, first.server_isn);
    world.open(&second, Side::Passive);
    world.closed(&second, Side::Passive, 0);
    world.tick(2_500);
    world.tick(50);
    world.request(&mut path.to_backend, &all[3]);
    path.respond(&mut world);
    world.tick(50);
    assert!(world.verdicts()[0].starts_with("Unverified"), "{:?}", world.verdicts());
    assert_eq!(CADDY, path.to_upstream.from);
}

/// A packet socket can say that a checksum needs no look, whatever it is. Ahead of a hole TCP keeps what came first.
#[test]
fn what_tcp_may_have_taken_is_not_read_as_what_came_after_it() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let all = texts("GET", "/", "");
    for (place, text) in all.iter().enumerate().take(3) {
        world.request(path.connection(place), text);
    }
    let sidecar = world.connect_by(7, SIDECAR, &format!("{WAYPOINT_IP}:50002"), ENVOY, UPSTREAM, UPSTREAM);
    let taken = all[2].replace('\n', "\r\n").into_bytes();
    let read = all[2].replace("GET /", "GET ?").replace('\n', "\r\n").replace("GET ?", "PUT /").into_bytes();
    let seq = sidecar.client_isn.wrapping_add(2);
    let header = [0xa5; 20];
    let unsummed =
        sidecar.data(0, Side::Passive, Direction::Request, seq, sidecar.server_isn.wrapping_add(1), &taken[1..]);
    world.record(Record::Data(Data { header: &header, rcv_nxt: Some(sidecar.client_isn.wrapping_add(1)), ..unsummed }));
    world.data(&sidecar, Side::Passive, 1, &read[1..], 0);
    world.data(&sidecar, Side::Passive, 0, &read[..1], 0);
    world.acknowledge(&sidecar, u32::try_from(read.len()).unwrap());
    assert_eq!(world.counters().not_taken, 1);
    world.request(&mut path.to_backend, &all[3]);
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(conflict)"]);
}
