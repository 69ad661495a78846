//! Records of the ring buffer, against a reading by offsets.
//!
//! The layout is written down here a second time, as a table of offsets, so that a type that changed on one side of the
//! kernel's ring shows. Octets are either anything at all, or a record with a few wrong octets.

mod layout;

use waypoint_verify::probe::{DecodeError, Direction, Passage, Record, Side, decode};

use crate::{Disagreement, demand, settle};
use layout::{At, DATA, Flag, Kind};

pub fn target(octets: &[u8]) {
    settle(compare(octets, decode(octets)));
    if let Some((kind, rest)) = octets.split_first() {
        let record = shaped(*kind, rest);
        settle(compare(&record, decode(&record)));
    }
}

/// A record of this kind (modulo their number), no two octets of it alike if it can be helped.
pub fn example(kind: u8) -> Vec<u8> {
    let octets: Vec<u8> = (0..140).map(|n| if n < 8 { 0 } else { n }).collect();
    shaped(kind, &octets)
}

/// These octets with the kind and the lengths of a record that can be right.
fn shaped(kind: u8, octets: &[u8]) -> Vec<u8> {
    let kind = Kind::ALL[usize::from(kind) % Kind::ALL.len()];
    let mut record = octets.to_vec();
    if kind != Kind::Data || record.len() < kind.size() {
        record.resize(kind.size(), 0x5a);
    }
    put(&mut record, layout::KIND, kind as u32);
    if let Some(side) = kind.side() {
        record[side.0] = 1 + record[side.0] % 2;
    }
    if let Some(hook) = kind.hook() {
        record[hook.0] = 1 + record[hook.0] % 2;
    }
    if kind == Kind::Data {
        let follows = record.len() - kind.size();
        let header = usize::from(record[DATA.header.0] % 61).min(follows);
        record[DATA.header.0] = u8::try_from(header).expect("at most 60");
        let captured = u32::try_from(follows - header).expect("inputs are small");
        put(&mut record, DATA.captured, captured);
        let skipped = u32_at(&record, DATA.skipped) % 70_000;
        put(&mut record, DATA.skipped, skipped);
        let beyond = u32_at(&record, DATA.payload_len) % 3;
        put(&mut record, DATA.payload_len, skipped + captured + beyond);
    }
    record
}

fn put(record: &mut [u8], at: At, value: u32) {
    record[at.0..at.0 + 4].copy_from_slice(&value.to_ne_bytes());
}

fn u16_at(octets: &[u8], at: At) -> u16 {
    u16::from_ne_bytes(octets[at.0..at.0 + 2].try_into().expect("two octets"))
}

fn u32_at(octets: &[u8], at: At) -> u32 {
    u32::from_ne_bytes(octets[at.0..at.0 + 4].try_into().expect("four octets"))
}

fn u64_at(octets: &[u8], at: At) -> u64 {
    u64::from_ne_bytes(octets[at.0..at.0 + 8].try_into().expect("eight octets"))
}

/// `decoded` is what these octets say, and it is an error exactly if they are no record.
pub fn compare(octets: &[u8], decoded: Result<Record<'_>, DecodeError>) -> Result<(), Disagreement> {
    let wrong = defect(octets);
    demand!(wrong.is_some() == decoded.is_err(), "{wrong:?}, but {decoded:?}: {octets:?}");
    let Ok(record) = decoded else { return Ok(()) };
    let kind = Kind::of(octets).expect("it has no defect");
    demand!(fields(&record) == expected(kind, octets), "{record:?}\nby offsets: {:x?}", expected(kind, octets));
    Ok(())
}

/// Why these octets are no record.
fn defect(octets: &[u8]) -> Option<&'static str> {
    if octets.len() < 4 {
        return Some("no kind");
    }
    let Some(kind) = Kind::of(octets) else { return Some("unknown kind") };
    if octets.len() < kind.size() {
        return Some("short");
    }
    let payload = (octets.len() - kind.size()) as u64;
    if kind == Kind::Data {
        let captured = u64::from(u32_at(octets, DATA.captured));
        let unread = Flag::COPY_FAILED.is_set(u32_at(octets, layout::FLAGS));
        let header = u64::from(octets[DATA.header.0]);
        if unread && captured != 0 || !unread && header + captured != payload {
            return Some("another length than it says");
        }
        if u64::from(u32_at(octets, DATA.skipped)) + captured > u64::from(u32_at(octets, DATA.payload_len)) {
            return Some("more than the payload");
        }
    } else if payload != 0 {
        return Some("long");
    }
    let known = |at: Option<At>| at.is_none_or(|at| matches!(octets[at.0], 1 | 2));
    (!known(kind.side()) || !known(kind.hook())).then_some("unknown side or hook")
}

/// What is compared: every number and address of a record, and its payload, in the order of the layout.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    kind: Kind,
    numbers: Vec<u64>,
    addresses: Vec<String>,
    payload: Vec<u8>,
}

fn expected(kind: Kind, octets: &[u8]) -> Fields {
    let flags = u32_at(octets, layout::FLAGS);
    let is = |flag: Flag| u64::from(flag.is_set(flags));
    let mut numbers: Vec<u64> = layout::HEADER.iter().map(|at| u64_at(octets, *at)).collect();
    let octet = |at: Option<At>| u64::from(at.map_or(0, |at| octets[at.0]));
    let (side, hook) = (octet(kind.side()), octet(kind.hook()));
    numbers.extend(kind.words().iter().map(|at| u64::from(u32_at(octets, *at))));
    numbers.extend(kind.halves().iter().map(|at| u64::from(u16_at(octets, *at))));
    numbers.extend(kind.longs().iter().map(|at| u64_at(octets, *at)));
    numbers.extend(kind.octets().iter().map(|at| u64::from(octets[at.0])));
    let mut payload = Vec::new();
    match kind {
        Kind::Created => payload = octets[layout::COMM.0..layout::COMM.0 + 16].to_vec(),
        Kind::Opened => {
            let tsval = u64::from(u32_at(octets, layout::TSVAL));
            numbers.extend([side, is(Flag::MPTCP), if is(Flag::TIMESTAMP) == 1 { tsval } else { u64::MAX }]);
        }
        Kind::Data => {
            let listener = is(Flag::LISTENER_OWNED) == 1;
            let unread = is(Flag::COPY_FAILED) == 1;
            let shown = u64::from(u32_at(octets, DATA.skipped)) + u64::from(u32_at(octets, DATA.captured));
            let cut = !unread && shown < u64::from(u32_at(octets, DATA.payload_len));
            // Into a passive socket, or out of an active one.
            let request = (side == 2) == (hook == 1);
            numbers.push(if listener { u64::MAX } else { u32_at(octets, DATA.rcv_nxt).into() });
            numbers.extend([side, u64::from(request), u64::from(listener), u64::from(cut), u64::from(unread)]);
            numbers.extend([is(Flag::UNCLASSIFIED), is(Flag::OVER_BUDGET)]);
            if !unread {
                // The header and the payload, in one.
                payload = octets[kind.size()..].to_vec();
                numbers.push(octets[DATA.header.0].into());
            }
        }
        Kind::Note => numbers.extend([side, hook, is(Flag::UNCLASSIFIED)]),
        Kind::Closed => numbers.push(side),
        Kind::Stray => numbers.extend([hook, is(Flag::UNCLASSIFIED)]),
        Kind::Other => numbers.extend([is(Flag::QUIC), is(Flag::UNCLASSIFIED)]),
    }
    let addresses = kind.tuples().iter().flat_map(|at| layout::ends(octets, *at)).collect();
    Fields { kind, numbers, addresses, payload }
}

fn fields(record: &Record<'_>) -> Fields {
    let side = |side: Side| if side == Side::Active { 1 } else { 2 };
    let hook = |passage: Passage| if passage == Passage::In { 1 } else { 2 };
    let many = |numbers: &[u32]| numbers.iter().map(|n| u64::from(*n)).collect::<Vec<_>>();
    let (kind, header, numbers, addresses, payload) = match record {
        Record::Created(r) => {
            let mut numbers = many(&[r.tgid, r.tid]);
            numbers.extend([r.family, r.sock_type, r.protocol].map(u64::from));
            (Kind::Created, [r.ts, r.cookie, r.cgroup], numbers, vec![], r.comm.0.to_vec())
        }
        Record::Opened(r) => {
            let mut numbers = many(&[r.client_isn, r.server_isn]);
            numbers.extend([side(r.side), u64::from(r.mptcp), r.tsval.map_or(u64::MAX, u64::from)]);
            (Kind::Opened, [r.ts, r.cookie, r.cgroup], numbers, vec![r.local, r.remote], vec![])
        }
        Record::Data(r) => {
            let mut numbers = many(&[r.seq, r.ack, r.payload_len, r.skipped]);
            numbers.extend([u64::from(r.tcp_flags.0), r.rcv_nxt.map_or(u64::MAX, u64::from), side(r.side)]);
            numbers.push(u64::from(r.direction == Direction::Request));
            let flags = [r.listener_owned, r.truncated, r.copy_failed, r.unclassified, r.over_budget];
            numbers.extend(flags.map(u64::from));
            if !r.copy_failed {
                numbers.push(r.header.len() as u64);
            }
            (Kind::Data, [r.ts, r.cookie, r.cgroup], numbers, vec![r.local, r.remote], [r.header, r.bytes].concat())
        }
        Record::Note(r) => {
            let mut numbers = many(&[r.seq, r.ack, r.payload_len]);
            let last = [u64::from(r.tcp_flags.0), side(r.side), hook(r.passage), u64::from(r.unclassified)];
            numbers.extend(last);
            (Kind::Note, [r.ts, r.cookie, r.cgroup], numbers, vec![], vec![])
        }
        Record::Closed(r) => {
            let mut numbers = many(&[r.snd_nxt, r.rcv_nxt]);
            numbers.extend([r.bytes_received, r.bytes_acked, u64::from(r.old_state), side(r.side)]);
            (Kind::Closed, [r.ts, r.cookie, r.cgroup], numbers, vec![], vec![])
        }
        Record::Stray(r) => {
            let mut numbers = many(&[r.seq, r.ack, r.payload_len]);
            let last = [u64::from(r.tcp_flags.0), u64::from(r.state), hook(r.passage), u64::from(r.unclassified)];
            numbers.extend(last);
            let addresses = vec![r.local, r.remote, r.socket_local, r.socket_remote];
            (Kind::Stray, [r.ts, r.cookie, r.cgroup], numbers, addresses, vec![])
        }
        Record::Other(r) => {
            let mut numbers: Vec<_> = [r.protocol, r.sock_type].map(u64::from).to_vec();
            numbers.extend([r.quic, r.unclassified].map(u64::from));
            (Kind::Other, [r.ts, r.cookie, r.cgroup], numbers, vec![r.local, r.remote], vec![])
        }
    };
    let numbers = header.into_iter().chain(numbers).collect();
    Fields { kind, numbers, addresses: addresses.iter().map(ToString::to_string).collect(), payload }
}
