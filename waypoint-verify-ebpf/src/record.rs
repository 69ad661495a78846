//! The records of the ring buffer. Multi-byte fields are in host byte order, addresses in network order.

use core::mem::{offset_of, size_of};

/// What a record is: the first field of every one.
pub mod kind {
    pub const CREATED: u32 = 1;
    pub const OPENED: u32 = 2;
    pub const DATA: u32 = 3;
    pub const NOTE: u32 = 4;
    pub const CLOSED: u32 = 5;
    pub const STRAY: u32 = 6;
    pub const OTHER: u32 = 7;
    /// One more than the largest kind: the size of tables indexed by kind.
    pub const END: u32 = 8;
}

/// Bits of [`Header::flags`].
pub mod flag {
    /// The packet arrived while its listener owned it: `cookie` is the listener's, the connection is known by its
    /// header tuple with (seq, ack).
    pub const LISTENER_OWNED: u32 = 1 << 0;
    /// Bytes beyond the copy window were left out at the end.
    pub const TRUNCATED_BY_WINDOW: u32 = 1 << 1;
    /// The kernel could not read the payload (unreadable fragments): no bytes were captured.
    pub const COPY_FAILED: u32 = 1 << 2;
    /// The socket's owner is not classified, and its byte budget is spent: no more bytes until it is.
    pub const OVER_BUDGET: u32 = 1 << 3;
    /// No watch list has named the socket's owner yet: the default flags apply.
    pub const UNCLASSIFIED: u32 = 1 << 4;
    /// The connection is a subflow of MPTCP (or its socket asked for it): it may be one of several.
    pub const MPTCP: u32 = 1 << 5;
    /// The packet that completed the handshake had a timestamp: `Opened::tsval` is it.
    pub const TIMESTAMP: u32 = 1 << 6;
    /// The datagram looks like the first of a QUIC connection.
    pub const QUIC: u32 = 1 << 7;
}

/// How the socket's connection was opened.
pub mod side {
    pub const UNKNOWN: u8 = 0;
    pub const ACTIVE: u8 = 1;
    pub const PASSIVE: u8 = 2;
}

/// Which way a packet went, seen from the socket's hook.
pub mod hook {
    pub const INGRESS: u8 = 1;
    pub const EGRESS: u8 = 2;
}

/// Starts every record.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// [`kind`].
    pub kind: u32,
    /// [`flag`]s.
    pub flags: u32,
    /// `CLOCK_BOOTTIME` in ns, read after the record was reserved.
    pub ts: u64,
    /// The socket's cookie.
    pub cookie: u64,
    /// The cgroup in which the socket was created; 0 if unknown.
    pub cgroup: u64,
}

/// Two ends; IPv4 addresses as `::ffff:a.b.c.d`, ports in host order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    pub local: [u8; 16],
    pub remote: [u8; 16],
    pub local_port: u16,
    pub remote_port: u16,
}

/// A process created a socket.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Created {
    pub header: Header,
    pub tgid: u32,
    pub tid: u32,
    pub family: u16,
    pub sock_type: u16,
    pub protocol: u16,
    pub pad: u16,
    pub comm: [u8; 16],
}

/// A connection was established.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    pub header: Header,
    pub client_isn: u32,
    pub server_isn: u32,
    pub tuple: Tuple,
    /// The sender's timestamp in the handshake's last packet (passive).
    pub tsval: u32,
    pub side: u8,
    pub pad: u8,
    pub pad2: u16,
    pub pad3: u32,
}

/// A packet of a watched connection that carries payload; `header_len` and `captured_len` bytes follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Data {
    pub header: Header,
    /// Sequence number of the first payload byte (a SYN's own number is already added).
    pub seq: u32,
    pub ack: u32,
    /// What the socket expects next, before this packet; 0 while a listener owns the packet.
    pub rcv_nxt: u32,
    /// Payload on the wire.
    pub payload_len: u32,
    /// Leading payload bytes left out because a grant covers them.
    pub skipped: u32,
    /// Bytes that follow the TCP header: payload from `seq + skipped` on.
    pub captured_len: u32,
    /// Of the packet's own headers, seen from the socket; under NAT they may differ from the opening's.
    pub tuple: Tuple,
    pub tcp_flags: u8,
    pub side: u8,
    pub hook: u8,
    /// Bytes of the TCP header, options included, that follow this one: of what a passive socket is about to receive,
    /// so that userspace sees what TCP will drop. 0 where the payload is not captured from its start.
    pub header_len: u8,
}

/// A packet of a watched connection without a [`Data`] record of its own, but with an acknowledgement beyond the last
/// reported one (egress, passive), FIN or RST.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Note {
    pub header: Header,
    pub seq: u32,
    pub ack: u32,
    pub payload_len: u32,
    pub tcp_flags: u8,
    pub side: u8,
    pub hook: u8,
    pub pad: u8,
}

/// A connection that had [`Opened`] is over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    pub header: Header,
    pub bytes_received: u64,
    pub bytes_acked: u64,
    pub snd_nxt: u32,
    pub rcv_nxt: u32,
    pub side: u8,
    /// The TCP state before CLOSE (1 = ESTABLISHED, 4 = FIN_WAIT1, ...).
    pub old_state: u8,
    pub pad: u16,
    pub pad2: u32,
}

/// The first payload on a watched socket whose establishment was not seen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Stray {
    pub header: Header,
    pub packet: Tuple,
    pub socket: Tuple,
    pub seq: u32,
    pub ack: u32,
    pub payload_len: u32,
    pub tcp_flags: u8,
    pub hook: u8,
    pub state: u8,
    pub pad: u8,
}

/// A packet of another protocol than TCP, into a container with `ENTRIES`: the first of each socket, and every one that
/// looks like the first of a QUIC connection.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Other {
    pub header: Header,
    /// Ports of UDP; 0 of others.
    pub tuple: Tuple,
    pub protocol: u16,
    pub sock_type: u16,
}

/// One row per record type: name, size in bytes, and a check that its fields leave no hidden padding.
pub const LAYOUT: [(&str, usize, usize); 9] = [
    ("Header", size_of::<Header>(), 4 + 4 + 8 * 3),
    ("Tuple", size_of::<Tuple>(), 16 * 2 + 2 * 2),
    ("Created", size_of::<Created>(), 32 + 4 * 2 + 2 * 4 + 16),
    ("Opened", size_of::<Opened>(), 32 + 4 * 2 + 36 + 4 + 8),
    ("Data", size_of::<Data>(), 32 + 4 * 6 + 36 + 4),
    ("Note", size_of::<Note>(), 32 + 4 * 3 + 4),
    ("Closed", size_of::<Closed>(), 32 + 8 * 2 + 4 * 2 + 8),
    ("Stray", size_of::<Stray>(), 32 + 36 * 2 + 4 * 3 + 4),
    ("Other", size_of::<Other>(), 32 + 36 + 4),
];

const _: () = {
    let mut row = 0;
    while row < LAYOUT.len() {
        assert!(LAYOUT[row].1 == LAYOUT[row].2, "a record has padding that no field names");
        assert!(LAYOUT[row].1.is_multiple_of(4));
        row += 1;
    }
    assert!(offset_of!(Header, kind) == 0);
    assert!(offset_of!(Header, ts) == 8);
    assert!(offset_of!(Header, cookie) == 16);
    assert!(offset_of!(Header, cgroup) == 24);
    assert!(offset_of!(Created, tgid) == 32);
    assert!(offset_of!(Created, comm) == 48);
    assert!(offset_of!(Opened, client_isn) == 32);
    assert!(offset_of!(Opened, tuple) == 40);
    assert!(offset_of!(Opened, tsval) == 76);
    assert!(offset_of!(Data, seq) == 32);
    assert!(offset_of!(Data, captured_len) == 52);
    assert!(offset_of!(Data, tuple) == 56);
    assert!(offset_of!(Data, tcp_flags) == 92);
    assert!(offset_of!(Note, seq) == 32);
    assert!(offset_of!(Note, tcp_flags) == 44);
    assert!(offset_of!(Closed, bytes_received) == 32);
    assert!(offset_of!(Closed, side) == 56);
    assert!(offset_of!(Stray, packet) == 32);
    assert!(offset_of!(Stray, socket) == 68);
    assert!(offset_of!(Stray, seq) == 104);
    assert!(offset_of!(Other, protocol) == 68);
};
