//! What socket options provoke: resets, and IPv6 extension headers.

use std::os::fd::AsRawFd;

use nix::libc;
use waypoint_verify::probe::{Direction, Flags, Passage, Side};

use crate::world::{Connection, Seen, in_a_world};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: hello\r\n\r\n";

#[test]
fn a_reset_while_a_response_is_pending_is_a_close() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(REQUEST);
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: an open socket, and a value of the length that is said.
        let done = unsafe {
            libc::setsockopt(
                connection.client.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as u32,
            )
        };
        assert_eq!(done, 0);
        drop(connection.client);
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let closed = seen.closing(Side::Passive);
        assert_eq!(closed.bytes_received, REQUEST.len() as u64, "a reset is not counted");
        assert!(seen.notes.iter().any(|note| note.passage == Passage::In && note.tcp_flags.rst()), "{seen:#?}");
    });
}

#[test]
fn ipv6_extension_headers_are_walked() {
    // Six octets of padding in an options header of eight: its next header and length come first.
    const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
    in_a_world(|world| {
        for option in [libc::IPV6_HOPOPTS, libc::IPV6_DSTOPTS] {
            let mut probe = world.probe(world.config());
            probe.set_owner(world.root.id, Flags::ENTRIES | Flags::DEPARTURES).unwrap();
            let listener = world.root.listen("[::1]:0");
            let mut connection = Connection::open(&world.root, &listener);
            // SAFETY: an open socket, and a value of the length that is said.
            let done = unsafe {
                libc::setsockopt(
                    connection.client.as_raw_fd(),
                    libc::IPPROTO_IPV6,
                    option,
                    PADDING.as_ptr().cast(),
                    PADDING.len() as u32,
                )
            };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            connection.request(REQUEST);
            connection.close();
            let mut seen = Seen::default();
            seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
            for side in [Side::Active, Side::Passive] {
                let opened = seen.opening(side);
                let request = seen.stream(opened.cookie, Direction::Request, opened.client_isn.wrapping_add(1));
                assert_eq!(request, REQUEST, "{option} {side:?}");
            }
            assert_eq!(probe.totals().unwrap(), Default::default());
        }
    });
}
