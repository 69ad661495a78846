//! What the programs saw, as plain data.
//!
//! Times are `CLOCK_BOOTTIME` in ns. Addresses are as the socket sees them, IPv4 ones always as IPv4. A `cgroup` is the
//! id (the inode number) of the cgroup in which the socket was created; 0 if unknown. A `cookie` names a socket for
//! its life.

use std::{fmt, net::SocketAddr};

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record<'a> {
    Created(Created),
    Opened(Opened),
    Data(Data<'a>),
    Note(Note),
    Closed(Closed),
    Stray(Stray),
    Other(Other),
}

/// The kinds of [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Created,
    Opened,
    Data,
    Note,
    Closed,
    Stray,
    Other,
}

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::Created, Self::Opened, Self::Data, Self::Note, Self::Closed, Self::Stray, Self::Other];
}

/// How a socket's connection was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It connected.
    Active,
    /// It was accepted.
    Passive,
}

/// Which way payload goes: requests go from the active to the passive side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Request,
    Response,
}

/// Which way a packet went at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passage {
    In,
    Out,
}

/// The flags of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    #[must_use]
    pub const fn urg(self) -> bool {
        self.0 & 0x20 != 0
    }

    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// A command name, as the kernel keeps it: up to 15 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comm(pub [u8; 16]);

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        write!(f, "{}", String::from_utf8_lossy(&self.0[..end]))
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A process created an IPv4 or IPv6 socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Created {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    /// The process, in the root pid namespace.
    pub tgid: u32,
    pub tid: u32,
    /// AF_INET (2) or AF_INET6 (10).
    pub family: u16,
    /// SOCK_STREAM (1), SOCK_DGRAM (2), SOCK_RAW (3), ...
    pub sock_type: u16,
    /// IPPROTO_TCP (6), IPPROTO_UDP (17), ...
    pub protocol: u16,
    pub comm: Comm,
}

/// A connection was established, of any socket below the probe's cgroup.
///
/// A socket that disconnects and connects again has the same cookie: a second opening, after a [`Closed`], starts anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opened {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    pub side: Side,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Initial sequence number of the active end; its first byte is `client_isn + 1`.
    pub client_isn: u32,
    /// Initial sequence number of the passive end.
    pub server_isn: u32,
    /// The peer's timestamp in the handshake's last packet.
    pub tsval: Option<u32>,
    /// The handshake's last packet had an MPTCP option: the stream may go over other connections too.
    pub mptcp: bool,
}

/// A packet with payload, of a watched connection.
///
/// May precede its [`Opened`] by a hair (the handshake's last packet is handled by another CPU) or by much
/// (`listener_owned`; a SYN with data).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Data<'a> {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    pub direction: Direction,
    pub side: Side,
    /// Sequence number of the first payload byte on the wire.
    pub seq: u32,
    pub ack: u32,
    /// What the socket expected next before this packet.
    pub rcv_nxt: Option<u32>,
    /// Payload bytes on the wire.
    pub payload_len: u32,
    /// Leading payload bytes that were left out because a grant covers them: `bytes` start at `seq + skipped`.
    pub skipped: u32,
    pub bytes: &'a [u8],
    /// The packet's TCP header with its options, of what a passive socket is about to receive; empty where it was not
    /// copied.
    pub header: &'a [u8],
    pub tcp_flags: TcpFlags,
    /// Of this packet's header; under NAT in the socket's own namespace other than the opening's.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The listener still owned the packet (deferred accept, Fast Open): `cookie` is the listener's. The connection is
    /// the one with these addresses, `client_isn + 1 == seq` and `server_isn + 1 == ack` (Fast Open: no `ack`).
    pub listener_owned: bool,
    /// Bytes at the end were left out: beyond the window.
    pub truncated: bool,
    /// The kernel could not read the payload: `bytes` is empty.
    pub copy_failed: bool,
    /// Nobody has classified the owner yet.
    pub unclassified: bool,
    /// ... and the socket's budget is spent: this is its last [`Data`] until somebody does.
    pub over_budget: bool,
}

/// A packet of a watched connection that was not recorded as [`Data`] and
/// - acknowledges more than anything reported before (`Out`, passive), other than inside a granted skip, or
/// - carries FIN or RST, either way.
///
/// A [`Data`] tells the same of its own packet (`ack`, `tcp_flags`), so none accompanies it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    pub side: Side,
    pub passage: Passage,
    pub tcp_flags: TcpFlags,
    pub seq: u32,
    pub ack: u32,
    pub payload_len: u32,
    pub unclassified: bool,
}

/// A connection that was [`Opened`] is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closed {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    pub side: Side,
    /// In order, by the kernel's own count: payload, and 1 for a FIN.
    pub bytes_received: u64,
    /// Payload, 1 for the SYN of an active socket and 1 for a FIN.
    pub bytes_acked: u64,
    pub snd_nxt: u32,
    pub rcv_nxt: u32,
    /// The TCP state that it left: 1 ESTABLISHED, 4 FIN_WAIT1, 5 FIN_WAIT2, 8 CLOSE_WAIT, 9 LAST_ACK, 11 CLOSING.
    pub old_state: u8,
}

/// The first payload on a watched socket whose opening was not seen: the connection is older than the programs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stray {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    pub passage: Passage,
    /// Of the packet's header.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Of the socket: unlike those of the packet, they are never translated.
    pub socket_local: SocketAddr,
    pub socket_remote: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub payload_len: u32,
    pub tcp_flags: TcpFlags,
    pub state: u8,
    pub unclassified: bool,
}

/// A packet of another protocol than TCP into a container with [`Flags::ENTRIES`]: the first of each socket, and every
/// datagram that looks like the first of a QUIC connection.
///
/// [`Flags::ENTRIES`]: super::Flags::ENTRIES
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Other {
    pub ts: u64,
    pub cookie: u64,
    pub cgroup: u64,
    /// The socket's: IPPROTO_UDP (17), ...
    pub protocol: u16,
    /// SOCK_DGRAM (2), SOCK_RAW (3), ...
    pub sock_type: u16,
    /// Of the packet's header; ports of UDP only.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub quic: bool,
    pub unclassified: bool,
}
