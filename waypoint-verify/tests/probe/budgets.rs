//! One owner that floods loses its own records, and nobody else's.

use waypoint_verify::probe::{Config, Direction, Flags, Side};

use crate::world::{Connection, Seen, in_a_world, pattern};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: quiet\r\n\r\n";

#[test]
fn a_flood_of_one_owner_costs_the_others_nothing_and_is_told_as_its_own() {
    in_a_world(|world| {
        let (loud, quiet, client) = (world.root.child("loud"), world.root.child("quiet"), world.root.child("client"));
        let mut probe = world.probe(Config { ring_bytes: 64 << 10, window: 1 << 30, ..world.config() });
        for owner in [&loud, &quiet] {
            probe.set_owner(owner.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
        }
        let listeners = [loud.listen("127.0.0.1:0"), quiet.listen("127.0.0.1:0")];
        let mut flood = Connection::open(&client, &listeners[0]);
        let mut seen = Seen::default();
        let mut lost_of_quiet = 0;
        for _ in 0..20 {
            // Nothing is drained meanwhile: 20 times the ring.
            for _ in 0..32 {
                flood.request(&pattern(40_000));
            }
            let mut connection = Connection::open(&client, &listeners[1]);
            connection.request(REQUEST);
            connection.close();
            let drained = seen.drain(&mut probe);
            assert!(drained.lost.is_empty(), "{drained:?}");
            for of in &drained.lost_of {
                assert!(of.cgroup != loud.id || of.refused > 0, "it is told who floods: {of:?}");
                lost_of_quiet += if of.cgroup == quiet.id { of.lost.records() } else { 0 };
            }
            assert!(drained.lost_of.iter().any(|of| of.cgroup == loud.id), "that was no flood: {drained:?}");
        }
        assert_eq!(lost_of_quiet, 0);
        let quiet_ends: Vec<_> =
            seen.opened.iter().filter(|opened| opened.side == Side::Passive && opened.cgroup == quiet.id).collect();
        assert_eq!(quiet_ends.len(), 20);
        for opened in quiet_ends {
            let request = seen.stream(opened.cookie, Direction::Request, opened.client_isn.wrapping_add(1));
            assert_eq!(request, REQUEST);
        }
    });
}

#[test]
fn a_share_is_free_again_once_it_was_read() {
    in_a_world(|world| {
        let mut probe = world.probe(Config { ring_bytes: 64 << 10, window: 1 << 30, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let mut seen = Seen::default();
        for _ in 0..50 {
            connection.request(&pattern(10_000));
            seen.drain(&mut probe);
        }
        assert_eq!(seen.lost, 0);
        probe.forget_idle_owners().unwrap();
        probe.forget_idle_owners().unwrap();
        connection.request(&pattern(10_000));
        seen.drain(&mut probe);
        assert_eq!(seen.lost, 0);
        let passive = seen.opening(Side::Passive);
        let followed = seen.stream(passive.cookie, Direction::Request, passive.client_isn.wrapping_add(1));
        assert_eq!(followed.len(), 51 * 10_000);
    });
}

#[test]
fn a_chunked_upload_of_many_mebibytes_is_followed_while_it_is_read() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let mut seen = Seen::default();
        let mut granted = None;
        // A reader that sleeps for as long as 1 MiB takes: far more than the window, which no grant has moved meanwhile.
        for _ in 0..32 {
            connection.request(&pattern(1 << 20));
            seen.drain(&mut probe);
            let passive = seen.opening(Side::Passive);
            let sent = granted.map_or(passive.client_isn.wrapping_add(1), |granted: u32| granted).wrapping_add(1 << 20);
            probe.grant(passive.cookie, Direction::Request, sent).unwrap();
            granted = Some(sent);
        }
        assert!(seen.lost == 0 && seen.data.iter().all(|(data, _)| !data.truncated), "a gap");
        let passive = seen.opening(Side::Passive);
        let followed = seen.stream(passive.cookie, Direction::Request, passive.client_isn.wrapping_add(1));
        assert_eq!(followed.len(), 32 << 20);
    });
}
