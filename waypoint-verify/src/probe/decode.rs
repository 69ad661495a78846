//! Bytes of the ring to [`Record`]s.

#[cfg(test)]
mod tests;

use std::{
    mem::size_of,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use thiserror::Error;
use waypoint_verify_ebpf::record::{self as wire, flag, hook, kind, side};

use super::record::{
    Closed, Comm, Created, Data, Direction, Note, Opened, Other, Passage, Record, Side, Stray, TcpFlags,
};

/// Why bytes are no record. The programs are built with this decoder, so each means a defect or a foreign object.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("{len} bytes where a record of kind {kind} has at least {least}")]
    Short { kind: u32, len: usize, least: usize },
    #[error("{len} bytes where this record of kind {kind} has {expected}")]
    Length { kind: u32, len: usize, expected: usize },
    #[error("kind {0} is not known: are the programs of another version?")]
    Kind(u32),
    #[error("side {0} is not known")]
    Side(u8),
    #[error("hook {0} is not known")]
    Hook(u8),
    #[error("a payload of {payload_len} bytes, of which {skipped} were skipped and {captured} captured")]
    Slice { payload_len: u32, skipped: u32, captured: u32 },
}

/// Decodes one record; its payload is borrowed.
///
/// # Errors
/// If the bytes are not exactly one record.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let Some(kind) = bytes.first_chunk().map(|kind| u32::from_ne_bytes(*kind)) else {
        return Err(DecodeError::Short { kind: 0, len: bytes.len(), least: size_of::<u32>() });
    };
    match kind {
        kind::CREATED => exact::<wire::Created>(kind, bytes).map(created),
        kind::OPENED => exact::<wire::Opened>(kind, bytes).and_then(|record| opened(&record)),
        kind::DATA => data(bytes),
        kind::NOTE => exact::<wire::Note>(kind, bytes).and_then(|record| note(&record)),
        kind::CLOSED => exact::<wire::Closed>(kind, bytes).and_then(|record| closed(&record)),
        kind::STRAY => exact::<wire::Stray>(kind, bytes).and_then(|record| stray(&record)),
        kind::OTHER => exact::<wire::Other>(kind, bytes).map(|record| other(&record)),
        other => Err(DecodeError::Kind(other)),
    }
}

/// Types that any bytes are a value of.
///
/// # Safety
/// `repr(C)`, integers only, no padding.
unsafe trait Plain: Copy {}
// SAFETY: `wire` asserts it for all of them.
unsafe impl Plain for wire::Created {}
// SAFETY: as above.
unsafe impl Plain for wire::Opened {}
// SAFETY: as above.
unsafe impl Plain for wire::Data {}
// SAFETY: as above.
unsafe impl Plain for wire::Note {}
// SAFETY: as above.
unsafe impl Plain for wire::Closed {}
// SAFETY: as above.
unsafe impl Plain for wire::Stray {}
// SAFETY: as above.
unsafe impl Plain for wire::Other {}

fn exact<T: Plain>(kind: u32, bytes: &[u8]) -> Result<T, DecodeError> {
    let (record, rest) = head::<T>(kind, bytes)?;
    if !rest.is_empty() {
        return Err(DecodeError::Length { kind, len: bytes.len(), expected: size_of::<T>() });
    }
    Ok(record)
}

fn head<T: Plain>(kind: u32, bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let Some((head, rest)) = bytes.split_at_checked(size_of::<T>()) else {
        return Err(DecodeError::Short { kind, len: bytes.len(), least: size_of::<T>() });
    };
    // SAFETY: `head` has the length of T, any bytes are a T, and the read needs no alignment.
    Ok((unsafe { head.as_ptr().cast::<T>().read_unaligned() }, rest))
}

fn created(record: wire::Created) -> Record<'static> {
    let wire::Header { ts, cookie, cgroup, .. } = record.header;
    Record::Created(Created {
        ts,
        cookie,
        cgroup,
        tgid: record.tgid,
        tid: record.tid,
        family: record.family,
        sock_type: record.sock_type,
        protocol: record.protocol,
        comm: Comm(record.comm),
    })
}

fn opened(record: &wire::Opened) -> Result<Record<'static>, DecodeError> {
    let wire::Header { ts, cookie, cgroup, flags, .. } = record.header;
    let (local, remote) = ends(&record.tuple);
    Ok(Record::Opened(Opened {
        ts,
        cookie,
        cgroup,
        side: decode_side(record.side)?,
        local,
        remote,
        client_isn: record.client_isn,
        server_isn: record.server_isn,
        tsval: (flags & flag::TIMESTAMP != 0).then_some(record.tsval),
        mptcp: flags & flag::MPTCP != 0,
    }))
}

fn data(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let (record, rest) = head::<wire::Data>(kind::DATA, bytes)?;
    let wire::Header { ts, cookie, cgroup, flags, .. } = record.header;
    let copy_failed = flags & flag::COPY_FAILED != 0;
    let captured = record.captured_len as usize;
    // Where the copy failed, what had been reserved for the payload was never written.
    let parts: Option<(&[u8], &[u8])> =
        if copy_failed { Some((&[], &[])) } else { rest.split_at_checked(record.header_len.into()) };
    let Some((tcp, payload)) = parts.filter(|(_, payload)| payload.len() == captured) else {
        let expected = size_of::<wire::Data>() + usize::from(record.header_len) + captured;
        return Err(DecodeError::Length { kind: kind::DATA, len: bytes.len(), expected });
    };
    let wire::Data { payload_len, skipped, captured_len, .. } = record;
    if u64::from(skipped) + u64::from(captured_len) > u64::from(payload_len) {
        return Err(DecodeError::Slice { payload_len, skipped, captured: captured_len });
    }
    let side = decode_side(record.side)?;
    let direction = match (side, passage(record.hook)?) {
        (Side::Passive, Passage::In) | (Side::Active, Passage::Out) => Direction::Request,
        (Side::Passive, Passage::Out) | (Side::Active, Passage::In) => Direction::Response,
    };
    let listener_owned = flags & flag::LISTENER_OWNED != 0;
    let (local, remote) = ends(&record.tuple);
    Ok(Record::Data(Data {
        ts,
        cookie,
        cgroup,
        direction,
        side,
        seq: record.seq,
        ack: record.ack,
        rcv_nxt: (!listener_owned).then_some(record.rcv_nxt),
        payload_len,
        skipped,
        bytes: payload,
        header: tcp,
        tcp_flags: TcpFlags(record.tcp_flags),
        local,
        remote,
        listener_owned,
        truncated: !copy_failed && skipped + captured_len < payload_len,
        copy_failed,
        unclassified: flags & flag::UNCLASSIFIED != 0,
        over_budget: flags & flag::OVER_BUDGET != 0,
    }))
}

fn note(record: &wire::Note) -> Result<Record<'static>, DecodeError> {
    let wire::Header { ts, cookie, cgroup, flags, .. } = record.header;
    Ok(Record::Note(Note {
        ts,
        cookie,
        cgroup,
        side: decode_side(record.side)?,
        passage: passage(record.hook)?,
        tcp_flags: TcpFlags(record.tcp_flags),
        seq: record.seq,
        ack: record.ack,
        payload_len: record.payload_len,
        unclassified: flags & flag::UNCLASSIFIED != 0,
    }))
}

fn closed(record: &wire::Closed) -> Result<Record<'static>, DecodeError> {
    let wire::Header { ts, cookie, cgroup, .. } = record.header;
    Ok(Record::Closed(Closed {
        ts,
        cookie,
        cgroup,
        side: decode_side(record.side)?,
        bytes_received: record.bytes_received,
        bytes_acked: record.bytes_acked,
        snd_nxt: record.snd_nxt,
        rcv_nxt: record.rcv_nxt,
        old_state: record.old_state,
    }))
}

fn stray(record: &wire::Stray) -> Result<Record<'static>, DecodeError> {
    let wire::Header { ts, cookie, cgroup, flags, .. } = record.header;
    let (local, remote) = ends(&record.packet);
    let (socket_local, socket_remote) = ends(&record.socket);
    Ok(Record::Stray(Stray {
        ts,
        cookie,
        cgroup,
        passage: passage(record.hook)?,
        local,
        remote,
        socket_local,
        socket_remote,
        seq: record.seq,
        ack: record.ack,
        payload_len: record.payload_len,
        tcp_flags: TcpFlags(record.tcp_flags),
        state: record.state,
        unclassified: flags & flag::UNCLASSIFIED != 0,
    }))
}

fn other(record: &wire::Other) -> Record<'static> {
    let wire::Header { ts, cookie, cgroup, flags, .. } = record.header;
    let (local, remote) = ends(&record.tuple);
    Record::Other(Other {
        ts,
        cookie,
        cgroup,
        protocol: record.protocol,
        sock_type: record.sock_type,
        local,
        remote,
        quic: flags & flag::QUIC != 0,
        unclassified: flags & flag::UNCLASSIFIED != 0,
    })
}

fn decode_side(side: u8) -> Result<Side, DecodeError> {
    match side {
        side::ACTIVE => Ok(Side::Active),
        side::PASSIVE => Ok(Side::Passive),
        other => Err(DecodeError::Side(other)),
    }
}

fn passage(hook: u8) -> Result<Passage, DecodeError> {
    match hook {
        hook::INGRESS => Ok(Passage::In),
        hook::EGRESS => Ok(Passage::Out),
        other => Err(DecodeError::Hook(other)),
    }
}

fn ends(tuple: &wire::Tuple) -> (SocketAddr, SocketAddr) {
    (address(tuple.local, tuple.local_port), address(tuple.remote, tuple.remote_port))
}

fn address(address: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(address)).to_canonical(), port)
}
