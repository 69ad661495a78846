//! Sockets of rarer forms, and what changes hands.

use std::net::SocketAddr;

use xtask::lab::{Lab, Topology, privileged};
use xtask::tools;
use xtask::tools::datagrams::{Datagrams, Over};
use xtask::tools::packets::Packets;
use xtask::tools::serve::Serve;
use xtask::tools::sockets::{Kind, Sockets, Step};
use xtask::tools::sockmap::Sockmap;

const REQUEST: &[u8] = b"POST /tool HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
const SOCKET: &[u8] = b"GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// A text message "echo", masked with zeros.
const MESSAGE: &[u8] = b"\x81\x84\0\0\0\0echo";

fn exchange() -> [Step; 3] {
    [Step::Connect, Step::Send(REQUEST.to_owned()), Step::Answer("received 3".to_owned())]
}

#[test]
fn rarer_sockets_reach_rarer_listeners() {
    if !privileged::available("rarer_sockets_reach_rarer_listeners") {
        return;
    }
    let lab = Lab::up(&Topology::standard()).unwrap();
    let backend = lab.pod("hello-backend-1").unwrap();
    let place = lab.client("client-1").unwrap();
    let in_backend = lab.container("hello-backend-1", "caddy").unwrap();

    let at = |port| SocketAddr::new(backend.ip(), port);
    // With a counter of the server's kernel that says that it was the rarer form.
    let listeners = [
        (Serve { mptcp: true, ..Serve::new(at(9001)) }, Kind::Mptcp, "MPTcpExtMPCapableACKRX"),
        (Serve { fast_open: Some(16), ..Serve::new(at(9002)) }, Kind::FastOpen, "TcpExtTCPFastOpenPassive"),
        (Serve { defer_accept: Some(5), ..Serve::new(at(9003)) }, Kind::Plain, "TcpExtTCPDeferAcceptDrop"),
    ];
    for (serve, kind, counter) in listeners {
        let mut server = tools::start(&in_backend, &serve).unwrap();
        server.wait_until_held("ready").unwrap();
        // The second connection of Fast Open has the cookie that the first one got.
        let steps = exchange().into_iter().chain([Step::Close]).chain(exchange());
        let report = tools::run(&place, &Sockets::new(serve.at, kind, steps)).unwrap();
        assert!(report.answer.contains("received 3"), "{serve:?}: {report:?}");
        let counted = in_backend.output("nstat", &["-az", counter]).unwrap();
        assert!(counted.contains(counter) && !counted.contains(" 0 "), "{counted}");
        server.kill().unwrap();
    }

    let echo = [
        Step::Connect,
        Step::Send(SOCKET.to_owned()),
        Step::Answer("\r\n\r\n".to_owned()),
        Step::Send(MESSAGE.to_owned()),
        Step::Answer("\u{4}echo".to_owned()),
    ];
    for to in [backend, lab.gateway("hello-gateway").unwrap()] {
        tools::run(&place, &Sockets::new(to, Kind::Plain, echo.clone())).unwrap();
    }

    for over in [Over::Udp, Over::Ip(253)] {
        tools::run(&place, &Datagrams { over, ..Datagrams::udp(backend, "x", 3) }).unwrap();
    }
    tools::run(&place, &Datagrams::quic(backend, 1)).unwrap();
    let mut holder = tools::start(&in_backend, &Packets {}).unwrap();
    holder.wait_until_held("held").unwrap();
    holder.release("held").unwrap();
    holder.finish().unwrap();
    lab.down().unwrap();
}

#[test]
fn sockets_change_hands_and_processes_change_cgroups() {
    if !privileged::available("sockets_change_hands_and_processes_change_cgroups") {
        return;
    }
    let lab = Lab::up(&Topology::standard()).unwrap();
    let backend = lab.pod("hello-backend-1").unwrap();
    let place = lab.client("client-1").unwrap();
    let get = b"GET /tool HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let answer = Step::Answer("hello from".to_owned());

    let path = lab.state_dir().join("given.sock");
    let giver = Sockets::new(backend, Kind::Plain, [Step::Connect, Step::Give(path.clone())]);
    let mut giver = tools::start(&place, &giver).unwrap();
    giver.wait_until_held("give").unwrap();
    giver.release("give").unwrap();
    let other = lab.client("client-3").unwrap();
    let taker = Sockets::new(backend, Kind::Plain, [Step::Take(path), Step::Send(get.clone()), answer.clone()]);
    let taken = tools::run(&other, &taker).unwrap();
    giver.finish().unwrap();
    let local = taken.local.unwrap().ip();
    assert_eq!(local, lab.plan().pod("client-1").unwrap().ip(), "the socket is still client-1's");

    let into = lab.container("hello-waypoint-1", "caddy").unwrap().cgroup().to_owned();
    let steps = [Step::Socket, Step::Move(into), Step::Connect, Step::Send(get), answer];
    tools::run(&place, &Sockets::new(backend, Kind::Plain, steps)).unwrap();
    lab.down().unwrap();
}

#[test]
fn what_a_sockmap_redirects_is_answered_by_the_backend() {
    if !privileged::available("what_a_sockmap_redirects_is_answered_by_the_backend") {
        return;
    }
    let lab = Lab::up(&Topology::standard()).unwrap();
    let script = Sockmap {
        to: lab.pod("hello-backend-1").unwrap(),
        server: lab.caddy_pid("hello-backend-1", "caddy").unwrap(),
        before: Vec::new(),
        hidden: b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        answer: "X-Lab-Uri: /hidden".to_owned(),
    };
    let mut sockmap = tools::start(&lab.client("client-1").unwrap(), &script).unwrap();
    for label in ["redirected", "answered"] {
        sockmap.wait_until_held(label).unwrap();
        sockmap.release(label).unwrap();
    }
    let report = sockmap.finish().unwrap();
    assert!(report.answer.contains("hello from hello-backend-1"), "{report:?}");
    lab.down().unwrap();
}
