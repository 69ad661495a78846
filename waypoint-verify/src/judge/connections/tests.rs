use std::net::SocketAddr;
use std::sync::Arc;

use super::{Connections, Dispute, HANDSHAKE};
use crate::evidence::End;
use crate::model::{BootNs, ConnKey, Owner, Reason, Side};

const BOUND: usize = 8;
const BEGAN: BootNs = 1000;

fn conn(n: usize) -> ConnKey {
    ConnKey { client_isn: u32::try_from(n).unwrap(), server_isn: 7 }
}

fn open(connections: &mut Connections, n: usize, sides: &[Side], at: BootNs) {
    open_by("/", connections, n, sides, at);
}

/// The cgroup of whoever opens it, and an address by its length.
fn open_by(cgroup: &str, connections: &mut Connections, n: usize, sides: &[Side], at: BootNs) {
    let address = SocketAddr::from(([10, 0, 0, u8::try_from(cgroup.len()).unwrap()], 80));
    let owner = Owner::Host { node: "node".into(), cgroup: cgroup.into() };
    for side in sides {
        let end = End { owner: owner.clone(), process: None, local: address, remote: address, at };
        connections.opened(conn(n), *side, Arc::new(end));
    }
}

fn left(connections: &Connections) -> Vec<usize> {
    (0..100).filter(|n| connections.get(conn(*n)).is_some()).collect()
}

/// Rows: which sides were seen to open, which to close, and whether it is over then.
#[test]
fn a_connection_is_over_when_every_end_that_was_seen_is_closed() {
    use Side::{Active, Passive};
    let both = [Active, Passive];
    for (seen, closed, over) in [
        (&both[..], &both[..], true),
        (&both, &[Active], false),
        (&both, &[Passive], false),
        (&[Passive], &[Passive], true),
        (&[Passive], &[Active], false),
        (&[Active], &[Active], true),
    ] {
        let mut connections = Connections::new(BOUND);
        for n in 0..BOUND / 4 + 1 {
            open(&mut connections, n, seen, BEGAN);
            closed.iter().for_each(|side| connections.closed(conn(n), *side));
        }
        connections.forget();
        let expected = if over { vec![1, 2] } else { vec![0, 1, 2] };
        assert_eq!(left(&connections), expected, "{seen:?} seen, {closed:?} closed");
    }
}

/// Somebody chose the sequence numbers of one connection so that it looks like another one.
#[test]
fn two_sockets_that_are_the_same_end_dispute_it() {
    let disputed = |connections: &Connections| connections.get(conn(0)).unwrap().disputed;
    for side in [Side::Active, Side::Passive] {
        let mut connections = Connections::new(BOUND);
        open(&mut connections, 0, &[Side::Active, Side::Passive], BEGAN);
        open(&mut connections, 0, &[side], BEGAN);
        assert_eq!(disputed(&connections), None, "told twice");
        open(&mut connections, 0, &[side], BEGAN + 1);
        assert_eq!(disputed(&connections), Some(Dispute::Ends), "{side:?}");
        connections.dispute(conn(0), Dispute::Messages);
        assert_eq!(disputed(&connections), Some(Dispute::Ends), "the first reason stays");
    }
}

#[test]
fn a_quarter_may_be_closed_ones_and_the_bound_itself_is_kept() {
    let mut connections = Connections::new(BOUND);
    (0..BOUND).for_each(|n| open(&mut connections, n, &[Side::Passive], BEGAN));
    // Told twice, it is one of them all the same.
    for n in [5, 6, 6] {
        connections.closed(conn(n), Side::Passive);
    }
    connections.forget();
    assert_eq!(left(&connections), (0..BOUND).collect::<Vec<_>>(), "a quarter of them closed, and as many as may be");
    connections.closed(conn(2), Side::Passive);
    connections.forget();
    assert_eq!(left(&connections), [0, 1, 2, 3, 4, 6, 7], "the one that was closed first");
}

#[test]
fn closed_ones_go_first_and_then_the_oldest() {
    let mut connections = Connections::new(BOUND);
    connections.tick(BEGAN);
    (0..BOUND + 1).for_each(|n| open(&mut connections, n, &[Side::Passive], BEGAN + 1));
    connections.closed(conn(4), Side::Passive);
    connections.forget();
    assert_eq!(left(&connections), [0, 1, 2, 3, 5, 6, 7, 8]);
    assert_eq!(connections.excuse(conn(0)), None, "what was closed takes no excuse along");
    open(&mut connections, 9, &[Side::Passive], BEGAN + 1);
    connections.forget();
    assert_eq!(left(&connections), [1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(connections.excuse(conn(0)), Some(Reason::Evicted));
    assert_eq!(connections.excuse(conn(1)), None);
}

/// Else one pod could make the judge blind for all others.
#[test]
fn whoever_dialled_most_gives_way_and_nobody_else() {
    for sides in [&[Side::Passive][..], &[Side::Passive, Side::Active], &[Side::Active]] {
        for closing in [false, true] {
            let mut connections = Connections::new(BOUND);
            connections.tick(BEGAN);
            (0..2).for_each(|n| open_by("/victim", &mut connections, n, sides, BEGAN));
            connections.closed(conn(0), Side::Passive);
            connections.closed(conn(0), Side::Active);
            for n in 2..50 {
                open_by("/hostile", &mut connections, n, sides, BEGAN + 1);
                if closing {
                    sides.iter().for_each(|side| connections.closed(conn(n), *side));
                }
            }
            connections.forget();
            let left = left(&connections);
            assert!(left.len() <= BOUND && left.last() == Some(&49), "{left:?}");
            assert!(left.contains(&1), "an open one, {sides:?}, closing: {closing}: {left:?}");
            assert!(!closing || left.contains(&0), "a closed one, {sides:?}: {left:?}");
        }
    }
}

/// Two pods behind one address, as where a node masquerades.
#[test]
fn an_address_stands_for_whoever_dialled_only_until_that_is_known() {
    let mut connections = Connections::new(BOUND);
    let of_pod = |connections: &mut Connections, cgroup: &str, n: usize| {
        open(connections, n, &[Side::Passive], BEGAN);
        open_by(cgroup, connections, n, &[Side::Active], BEGAN);
    };
    of_pod(&mut connections, "/victim", 0);
    (1..50).for_each(|n| of_pod(&mut connections, "/hostile", n));
    connections.forget();
    assert!(left(&connections).contains(&0), "{:?}", left(&connections));
}

/// Rows: which end of a forgotten connection had been told, when it was opened, and until when the other one is excused.
#[test]
fn what_is_forgotten_excuses_its_other_end_for_a_handshake() {
    for (side, until) in [(Side::Active, Some(BEGAN + HANDSHAKE)), (Side::Passive, None)] {
        let mut connections = Connections::new(1);
        connections.tick(BEGAN - 1);
        open(&mut connections, 0, &[side], BEGAN);
        open(&mut connections, 1, &[Side::Active, Side::Passive], BEGAN);
        connections.forget();
        assert_eq!(left(&connections), [1]);
        let mut excused = |at| {
            open(&mut connections, 2, &[Side::Passive], at);
            let excuse = connections.excuse(conn(2));
            connections.by_key.remove(&conn(2));
            excuse
        };
        assert_eq!(excused(BEGAN + HANDSHAKE), until.map(|_| Reason::Lost), "{side:?}");
        assert_eq!(excused(BEGAN + HANDSHAKE + 1), None, "{side:?}");
    }
}

/// Rows: when it was accepted, and why the end that dialled it may be missing.
#[test]
fn absence_is_excused_by_what_was_lost_until_a_handshake_is_over_and_by_the_beginning() {
    const LOST: BootNs = BEGAN + 500;
    for (at, excuse) in [(BEGAN, Some(Reason::PredatesAgent)), (BEGAN + 1, None), (LOST + HANDSHAKE, None)] {
        let mut connections = Connections::new(BOUND);
        connections.tick(BEGAN);
        open(&mut connections, 0, &[Side::Passive], at);
        assert_eq!(connections.excuse(conn(0)), excuse, "nothing lost, accepted at {at}");
    }
    for (at, excuse) in
        [(BEGAN, Some(Reason::Lost)), (LOST + HANDSHAKE, Some(Reason::Lost)), (LOST + HANDSHAKE + 1, None)]
    {
        let mut connections = Connections::new(BOUND);
        connections.tick(BEGAN);
        connections.lost = true;
        connections.tick(LOST);
        open(&mut connections, 0, &[Side::Passive], at);
        assert_eq!(connections.excuse(conn(0)), excuse, "openings lost, accepted at {at}");
    }
    let mut connections = Connections::new(BOUND);
    open(&mut connections, 0, &[Side::Passive], BEGAN);
    assert_eq!(connections.excuse(conn(0)), Some(Reason::PredatesAgent), "before the first tick");
    open(&mut connections, 1, &[Side::Active], BEGAN);
    assert_eq!(connections.excuse(conn(1)), Some(Reason::NotCovered), "nobody was seen to accept it");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut connections = Connections::new(BOUND);
    for n in 0..1000 {
        open(&mut connections, n, &[Side::Passive, Side::Active], BEGAN);
        if n % 2 == 0 {
            connections.closed(conn(n), Side::Passive);
            connections.closed(conn(n), Side::Active);
        }
        connections.forget();
        assert!(connections.by_key.len() <= BOUND && connections.closed.len() <= BOUND / 4, "{connections:?}");
        assert_eq!(connections.by_key.len(), connections.open.len() + connections.closed.len());
    }
}
