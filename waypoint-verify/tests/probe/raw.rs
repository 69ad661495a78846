//! What a peer can send that no kernel sends: the records must show what TCP takes of it, and what it does not.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt::ReuseAddr,
};
use waypoint_verify::{
    probe::{Direction, Flags, Opened, Passage, Side},
    trace::admit::{Admission, Dropped},
};

use crate::{
    peer::{ACK, FIN, HOST, Packet, Peer, SYN, URG},
    world::{Connection, Seen, in_a_world},
};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: hello\r\n\r\n";

fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut got = vec![0; len];
    stream.read_exact(&mut got).expect("the octets");
    got
}

/// What is admitted of a socket's records, by its place, and why the rest is not.
fn admitted(seen: &Seen, opened: &Opened) -> (Vec<u8>, Vec<Dropped>) {
    let mut admission = Admission::new(opened.tsval);
    let (mut stream, mut dropped) = (Vec::new(), Vec::new());
    for (data, bytes) in seen.data.iter().filter(|(data, _)| data.direction == Direction::Request) {
        let header = seen.header(data.ts);
        let data = waypoint_verify::probe::Data { bytes, header, ..*data };
        match admission.admit(&data) {
            Ok(segment) => {
                let at = segment.seq.wrapping_sub(opened.client_isn.wrapping_add(1)) as usize;
                stream.resize(stream.len().max(at + segment.bytes.len()), 0);
                stream[at..at + segment.bytes.len()].copy_from_slice(segment.bytes);
            }
            Err(why) => dropped.push(why),
        }
    }
    (stream, dropped)
}

#[test]
fn what_tcp_drops_is_told_from_what_it_takes() {
    in_a_world(|world| {
        // The sequence numbers wrap within the second request.
        let mut peer = Peer::new(4000, 0, u32::MAX - REQUEST.len() as u32 - 4);
        let listener = world.root.listen(&format!("{HOST}:0"));
        peer.to = listener.local_addr().unwrap().port();
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
        peer.connect();
        let (mut server, _) = listener.accept().unwrap();
        peer.say(REQUEST);
        assert_eq!(read(&mut server, REQUEST.len()), REQUEST);
        // Longer than what Linux sums before it looks for the socket (CHECKSUM_BREAK).
        let junk = [b'x'; 100];
        let next = peer.next(&junk);
        let rows = [
            (Packet { wrong_by: 7, ..next }, Dropped::Checksum),
            (Packet { tsval: 999, ..next }, Dropped::Timestamp),
            (Packet { seq: next.seq.wrapping_add(1 << 30), ..next }, Dropped::FarAhead),
            (Packet { seq: next.seq.wrapping_sub(junk.len() as u32), ..next }, Dropped::Old),
            (Packet { seq: next.seq.wrapping_sub(1), bytes: b"?", ..next }, Dropped::Old),
            (Packet { flags: 0, ..next }, Dropped::Flags),
            (Packet { flags: SYN | ACK, ..next }, Dropped::Flags),
        ];
        for (packet, _) in &rows {
            peer.send(*packet);
        }
        peer.say(REQUEST);
        assert_eq!(read(&mut server, REQUEST.len()), REQUEST, "TCP took something of what was to be dropped");
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        // Partly old: what TCP has is left out, and what it takes is not.
        let again = b"what it has";
        peer.send(Packet { seq: peer.seq.wrapping_sub(4), bytes: again, ..peer.next(b"") });
        assert_eq!(read(&mut server, again.len() - 4), again[4..]);
        peer.seq = peer.seq.wrapping_add(again.len() as u32 - 4);
        peer.send(Packet { flags: FIN | ACK, ..peer.next(b"") });
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
        drop(server);
        peer.until(|got| got.flags & FIN != 0);
        let mut seen = Seen::default();
        seen.drain(&mut probe);
        let opened = seen.opening(Side::Passive);
        assert_eq!(opened.client_isn, u32::MAX - REQUEST.len() as u32 - 4);
        let (stream, dropped) = admitted(&seen, &opened);
        assert_eq!(stream, [REQUEST, REQUEST, &again[4..]].concat());
        assert_eq!(dropped, rows.map(|(_, why)| why));
    });
}

#[test]
fn urgent_octets_are_marked() {
    in_a_world(|world| {
        let mut peer = Peer::new(4001, 0, 5);
        let listener = world.root.listen(&format!("{HOST}:0"));
        peer.to = listener.local_addr().unwrap().port();
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        peer.connect();
        let (mut server, _) = listener.accept().unwrap();
        peer.send(Packet { flags: ACK | URG, ..peer.next(b"urgent") });
        let got = read(&mut server, 5);
        assert_eq!(got, b"rgent", "what the socket reads is not what came");
        let mut seen = Seen::default();
        seen.until(&mut probe, "the octets", |seen| !seen.data.is_empty());
        assert!(seen.data[0].0.tcp_flags.urg());
    });
}

#[test]
fn a_simultaneous_open_has_no_side_that_dialled() {
    in_a_world(|world| {
        let mut peer = Peer::new(4002, 0, 77);
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::DEPARTURES).unwrap();
        let socket = world
            .root
            .within(|| socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).expect("a socket"));
        let _ = connect(socket.as_raw_fd(), &SockaddrIn::from(peer.address()));
        let syn = peer.until(|got| got.flags == SYN);
        // Both have sent a SYN, and neither has answered one.
        peer.send(Packet { flags: SYN, ..peer.next(b"") });
        peer.until(|got| got.flags & (SYN | ACK) == SYN | ACK);
        peer.ack = syn.seq.wrapping_add(1);
        peer.send(Packet { flags: SYN | ACK, ..peer.next(b"") });
        peer.seq = peer.seq.wrapping_add(1);
        peer.say(REQUEST);
        let mut seen = Seen::default();
        seen.until(&mut probe, "an opening and data", |seen| !seen.opened.is_empty() && !seen.data.is_empty());
        let opened = seen.opening(Side::Passive);
        assert_eq!((opened.client_isn, opened.server_isn), (77, syn.seq));
        assert_eq!(seen.stream(opened.cookie, Direction::Request, 78), REQUEST, "it is followed as what was accepted");
    });
}

#[test]
fn a_port_that_is_used_again_in_time_wait_is_another_connection() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        let mut port = 0;
        for round in 0..2 {
            let client = world.root.within(|| {
                let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).expect("a socket");
                setsockopt(&socket, ReuseAddr, &true).unwrap();
                bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).unwrap();
                connect(socket.as_raw_fd(), &SockaddrIn::from(address)).unwrap();
                TcpStream::from(socket)
            });
            port = client.local_addr().unwrap().port();
            let (mut server, _) = listener.accept().unwrap();
            let request = format!("GET /{round}\r\n\r\n");
            (&client).write_all(request.as_bytes()).unwrap();
            read(&mut server, request.len());
            // The server closes first, so that its end is the one that waits.
            drop(server);
            assert_eq!((&client).read(&mut [0; 8]).unwrap(), 0);
        }
        let mut seen = Seen::default();
        seen.until(&mut probe, "four closes", |seen| seen.closed.len() == 4);
        let accepted: Vec<_> = seen.opened.iter().filter(|opened| opened.side == Side::Passive).collect();
        assert_eq!(accepted[0].remote, accepted[1].remote, "the same addresses");
        assert_ne!(accepted[0].cookie, accepted[1].cookie);
        for (round, opened) in accepted.into_iter().enumerate() {
            let request = seen.stream(opened.cookie, Direction::Request, opened.client_isn.wrapping_add(1));
            assert_eq!(request, format!("GET /{round}\r\n\r\n").into_bytes());
        }
    });
}

#[test]
fn a_half_closed_connection_still_answers() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(REQUEST);
        connection.client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(connection.server.read(&mut [0; 8]).unwrap(), 0);
        connection.respond(b"HTTP/1.1 204 No Content\r\n\r\n");
        drop(connection);
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let opened = seen.opening(Side::Passive);
        let finished = seen.notes.iter().find(|note| note.passage == Passage::In && note.tcp_flags.fin()).unwrap();
        let answered = seen.data.iter().find(|(data, _)| data.direction == Direction::Response).unwrap();
        assert!(finished.ts < answered.0.ts);
        let answer = seen.stream(opened.cookie, Direction::Response, opened.server_isn.wrapping_add(1));
        assert_eq!(answer, b"HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(seen.closing(Side::Passive).bytes_received, REQUEST.len() as u64 + 1);
    });
}
