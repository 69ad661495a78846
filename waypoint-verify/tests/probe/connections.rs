//! Openings, closes, creations, and connections older than the probe.

use std::{
    io::Write,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, listen, socket},
};
use waypoint_verify::probe::{Direction, Flags, Passage, Side};

use crate::world::{Connection, Seen, in_a_world};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: hello\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn both_ends_of_a_request_tell_the_same() {
    // Where it listens, where the client connects to.
    let rows = [
        ("127.0.0.1:0", Ipv4Addr::LOCALHOST.into()),
        ("[::1]:0", Ipv6Addr::LOCALHOST.into()),
        ("[::]:0", Ipv4Addr::LOCALHOST.into()),
    ];
    in_a_world(|world| {
        for (listen, connect) in rows {
            let (client, server) = (world.root.child("client"), world.root.child("server"));
            let mut probe = world.probe(world.config());
            probe.set_owner(client.id, Flags::DEPARTURES).unwrap();
            probe.set_owner(server.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
            let listener = server.listen(listen);
            let address = SocketAddr::new(connect, listener.local_addr().unwrap().port());
            let stream = client.connect(address);
            let (accepted, _) = listener.accept().unwrap();
            let mut connection = Connection { client: stream, server: accepted };
            connection.request(REQUEST);
            connection.respond(RESPONSE);
            connection.close();
            let mut seen = Seen::default();
            seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);

            let (active, passive) = (seen.opening(Side::Active), seen.opening(Side::Passive));
            assert_eq!((active.client_isn, active.server_isn), (passive.client_isn, passive.server_isn), "{listen}");
            assert_eq!((active.local, active.remote), (passive.remote, passive.local), "{listen}");
            assert_eq!(active.remote, address);
            assert_eq!((active.cgroup, passive.cgroup), (client.id, server.id));
            assert!(!active.mptcp && !passive.mptcp);
            for opened in [active, passive] {
                let request = seen.stream(opened.cookie, Direction::Request, opened.client_isn.wrapping_add(1));
                assert_eq!(request, REQUEST, "{listen} {:?}", opened.side);
            }
            let response = seen.stream(passive.cookie, Direction::Response, passive.server_isn.wrapping_add(1));
            assert_eq!(response, RESPONSE);
            assert!(seen.data.iter().all(|(data, _)| !data.truncated && !data.unclassified && !data.listener_owned));
            let closed = seen.closing(Side::Passive);
            assert_eq!(closed.bytes_received, REQUEST.len() as u64 + 1, "{listen}");
            assert_eq!(seen.closing(Side::Active).bytes_received, RESPONSE.len() as u64 + 1);
            assert_eq!(closed.rcv_nxt, passive.client_isn.wrapping_add(REQUEST.len() as u32 + 2));
            // The receiver's word that it has the request, in a note or on the response.
            let end = passive.client_isn.wrapping_add(1 + REQUEST.len() as u32);
            let acknowledged = seen.notes.iter().any(|note| note.passage == Passage::Out && note.ack == end)
                || seen.data.iter().any(|(data, _)| data.direction == Direction::Response && data.ack == end);
            assert!(acknowledged, "{seen:#?}");
            assert!(seen.notes.iter().any(|note| note.passage == Passage::In && note.tcp_flags.fin()));
            // The client's and the listener's sockets, with their creators; the accepted socket has none.
            assert_eq!(seen.created.len(), 2, "{:#?}", seen.created);
            assert!(seen.created.iter().any(|created| created.cookie == active.cookie && created.cgroup == client.id));
            assert!(seen.created.iter().all(|created| created.tgid == std::process::id() && created.protocol == 6));
            assert!(seen.strays.is_empty() && seen.lost == 0);
        }
    });
}

#[test]
fn a_creation_names_process_and_protocol() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        let _socket = world.root.within(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut seen = Seen::default();
        seen.until(&mut probe, "a creation", |seen| !seen.created.is_empty());
        let created = seen.created[0];
        assert_eq!((created.family, created.sock_type, created.protocol), (2, 2, 17));
        assert_eq!((created.tgid, created.cgroup), (std::process::id(), world.root.id));
        assert!(!created.comm.to_string().is_empty());
    });
}

#[test]
fn a_connection_older_than_the_probe_is_a_stray_once() {
    in_a_world(|world| {
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::DEPARTURES).unwrap();
        connection.request(REQUEST);
        connection.request(REQUEST);
        connection.respond(RESPONSE);
        let mut seen = Seen::default();
        seen.until(&mut probe, "two strays", |seen| seen.strays.len() == 2);
        let ports = [&connection.client, &connection.server].map(|end| end.local_addr().unwrap());
        connection.close();
        seen.drain(&mut probe);
        assert_eq!(seen.strays.len(), 2, "once per socket");
        for (stray, passage) in seen.strays.iter().zip([Passage::Out, Passage::In]) {
            assert_eq!((stray.passage, stray.cgroup, stray.state), (passage, world.root.id, 1));
            assert_eq!((stray.local, stray.remote), (stray.socket_local, stray.socket_remote));
            assert!(ports.contains(&stray.local) && ports.contains(&stray.remote));
            assert_eq!(stray.payload_len as usize, REQUEST.len());
        }
        assert!(seen.opened.is_empty() && seen.data.is_empty() && seen.closed.is_empty());
    });
}

#[test]
fn a_listener_older_than_the_probe_has_an_owner_all_the_same() {
    in_a_world(|world| {
        let server = world.root.child("server");
        let listener = server.listen("127.0.0.1:0");
        let mut probe = world.probe(world.config());
        probe.set_owner(server.id, Flags::ENTRIES).unwrap();
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(REQUEST);
        connection.close();
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let passive = seen.opening(Side::Passive);
        assert_eq!(passive.cgroup, server.id);
        assert_eq!(seen.stream(passive.cookie, Direction::Request, passive.client_isn.wrapping_add(1)), REQUEST);
    });
}

#[test]
fn payload_that_arrives_under_the_listener_is_joined_by_its_numbers() {
    in_a_world(|world| {
        let listener = world.root.listen("127.0.0.1:0");
        set(&listener, libc::TCP_DEFER_ACCEPT, 5);
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let mut client = world.root.connect(listener.local_addr().unwrap());
        client.write_all(REQUEST).unwrap();
        let (server, _) = listener.accept().unwrap();
        Connection { client, server }.close_unread(REQUEST.len());
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let passive = seen.opening(Side::Passive);
        let (first, bytes) = &seen.data[0];
        assert!(first.listener_owned && first.cookie != passive.cookie, "{seen:#?}");
        assert_eq!((first.seq, first.ack), (passive.client_isn.wrapping_add(1), passive.server_isn.wrapping_add(1)));
        assert_eq!((first.local, first.remote), (passive.local, passive.remote));
        assert_eq!(bytes, REQUEST);
    });
}

#[test]
fn fast_open_keeps_the_numbers_equal_at_both_ends() {
    in_a_world(|world| {
        // Of this thread's network namespace.
        std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3").unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        set(&listener, libc::TCP_FASTOPEN, 16);
        let address = listener.local_addr().unwrap();
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::DEPARTURES).unwrap();
        // The first connection fetches the cookie, the second uses it.
        for _ in 0..2 {
            let socket =
                world.root.within(|| socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap());
            set(&socket, libc::TCP_FASTOPEN_CONNECT, 1);
            let SocketAddr::V4(v4) = address else { unreachable!() };
            connect(socket.as_raw_fd(), &SockaddrIn::from(v4)).unwrap();
            let mut client = TcpStream::from(socket);
            client.write_all(REQUEST).unwrap();
            let (server, _) = listener.accept().unwrap();
            Connection { client, server }.close_unread(REQUEST.len());
        }
        let mut seen = Seen::default();
        seen.until(&mut probe, "four closes", |seen| seen.closed.len() == 4);
        let numbers = |side| {
            let openings = seen.opened.iter().filter(move |opened| opened.side == side);
            openings.map(|opened| (opened.client_isn, opened.server_isn)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(Side::Active), numbers(Side::Passive));
        assert!(seen.data.iter().any(|(data, _)| data.tcp_flags.syn()), "no data in a SYN: {seen:#?}");
        for opened in seen.opened.iter().filter(|opened| opened.side == Side::Active) {
            let request = seen.stream(opened.cookie, Direction::Request, opened.client_isn.wrapping_add(1));
            assert_eq!(request, REQUEST);
        }
    });
}

#[test]
fn a_subflow_of_mptcp_is_marked_at_both_ends_and_a_plain_client_is_not() {
    in_a_world(|world| {
        if !std::path::Path::new("/proc/sys/net/mptcp/enabled").exists() {
            eprintln!("skipped: this kernel has no MPTCP");
            return;
        }
        let mut probe = world.probe(world.config());
        let multipath = || {
            // SAFETY: plain numbers; the descriptor is owned at once.
            unsafe {
                let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP);
                assert!(fd >= 0, "{}", std::io::Error::last_os_error());
                OwnedFd::from_raw_fd(fd)
            }
        };
        let listener = world.root.within(|| {
            let socket = multipath();
            bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
            listen(&socket, Backlog::new(8).unwrap()).unwrap();
            TcpListener::from(socket)
        });
        for marked in [true, false] {
            let address = listener.local_addr().unwrap();
            let client = world.root.within(|| {
                let socket =
                    if marked { TcpStream::from(multipath()) } else { return TcpStream::connect(address).unwrap() };
                let SocketAddr::V4(v4) = address else { unreachable!() };
                connect(socket.as_raw_fd(), &SockaddrIn::from(v4)).unwrap();
                socket
            });
            let (server, _) = listener.accept().unwrap();
            let mut connection = Connection { client, server };
            connection.request(REQUEST);
            let mut seen = Seen::default();
            seen.until(&mut probe, "both openings", |seen| seen.opened.len() == 2);
            assert!(seen.opened.iter().all(|opened| opened.mptcp == marked), "{seen:#?}");
        }
    });
}

fn set(socket: &impl AsRawFd, option: i32, value: i32) {
    // SAFETY: an open socket, and a value of the length that is said.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

impl Connection {
    fn close_unread(mut self, unread: usize) {
        let mut request = vec![0; unread];
        std::io::Read::read_exact(&mut self.server, &mut request).unwrap();
        self.close();
    }
}
