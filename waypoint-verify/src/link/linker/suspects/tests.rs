//! Of suspects that are over nothing is left, and one that is over takes no other along.

use std::net::IpAddr;

use super::{Crowd, Suspects};
use crate::model::{ConnKey, MessageKey, Reason};

const PEER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)));

fn conn(number: u32) -> ConnKey {
    ConnKey { client_isn: number, server_isn: 1 }
}

fn entry(number: u32) -> MessageKey {
    MessageKey { conn: conn(number), offset: 7, stream: 0 }
}

/// `bound`: 1 keeps the first by itself and the others by name only.
fn two(bound: usize) -> Suspects {
    let mut suspects = Suspects::default();
    [1, 2].into_iter().for_each(|number| suspects.stream(bound, conn(number), PEER, 10, Reason::Gap));
    suspects
}

fn reason(suspects: &Suspects, at: u64, ns: u64) -> Option<Reason> {
    let of_all = suspects.reason(at, ns, None);
    assert_eq!(suspects.reason(at, ns, Some(PEER)), of_all, "there is but one peer");
    assert_eq!(suspects.reason(at, ns, Some(None)), None);
    of_all
}

#[test]
fn of_two_streams_of_a_peer_the_one_that_is_left_stays_a_suspect() {
    for (bound, expected) in [(2, Reason::Gap), (0, Reason::Bound)] {
        for gone in [1, 2] {
            let mut suspects = two(bound);
            suspects.tame(conn(gone));
            suspects.advance(1_000);
            assert_eq!(reason(&suspects, 11, 1_000), Some(expected), "{gone} was whole after all");

            let mut suspects = two(bound);
            suspects.closed(conn(gone), 500);
            suspects.advance(1_000);
            assert_eq!(reason(&suspects, 11, 1_000), Some(expected), "{gone} is over");
            suspects.closed(conn(3 - gone), 1_500);
            suspects.advance(1_400);
            let at_its_end = [reason(&suspects, 11, 1_500), reason(&suspects, 11, 1_501)];
            assert_eq!(at_its_end, [Some(expected), None], "the other one ends at 1,500");
        }
    }
}

#[test]
fn a_suspect_causes_nothing_that_began_before_it() {
    for bound in [2, 0] {
        let mut suspects = two(bound);
        assert_eq!(reason(&suspects, 10, 5), None);
        // What is told again of the same connection may have begun earlier.
        suspects.stream(bound, conn(1), PEER, 3, Reason::Gap);
        suspects.stream(bound, conn(1), PEER, 8, Reason::Gap);
        assert!(reason(&suspects, 4, 5).is_some() && reason(&suspects, 3, 5).is_none());
        assert_eq!(suspects.of.len() + suspects.crowd.len(), 2);
    }
}

#[test]
fn nothing_is_left_of_suspects_that_are_over() {
    let mut suspects = Suspects::default();
    for round in 0..1_000u32 {
        let (stream, forgotten, tamed) = (3 * round, 3 * round + 1, 3 * round + 2);
        for bound in [0, 10] {
            suspects.stream(bound, conn(stream), PEER, 1, Reason::Gap);
            suspects.stream(bound, conn(tamed), PEER, 1, Reason::Lost);
            suspects.entry(bound, entry(forgotten), PEER, 1, None);
            suspects.answered(entry(forgotten), 20);
            suspects.tame(conn(tamed));
            [stream, forgotten].into_iter().for_each(|number| suspects.closed(conn(number), 20));
            suspects.advance(30);
            let Suspects { of, by_peer, forgotten, crowd, crowds, lost_count } = &suspects;
            assert!(of.is_empty() && by_peer.is_empty() && crowds.is_empty() && !lost_count, "{round} {suspects:?}");
            assert!(forgotten.is_empty() && crowd.is_empty(), "{round} {suspects:?}");
        }
    }
    // A crowd of which all were whole after all is forgotten at once.
    let mut suspects = two(0);
    [1, 2].into_iter().for_each(|number| suspects.tame(conn(number)));
    assert!(suspects.crowds.is_empty());
}

#[test]
fn an_exchange_of_a_forgotten_request_ends_when_the_first_of_its_ends_says_so() {
    for (answered, closed, end) in [(500, 700, 500), (700, 500, 500)] {
        let mut suspects = Suspects::default();
        suspects.entry(2, entry(1), PEER, 10, Some(900));
        // Some time before its end.
        suspects.advance(5);
        suspects.answered(entry(1), answered);
        suspects.closed(conn(1), closed);
        assert_eq!([end, end + 1].map(|ns| reason(&suspects, 11, ns)), [Some(Reason::Evicted), None]);
    }
}

/// A crowd that is only known by its number of open ones must not be thought over while one of them is open.
#[test]
fn closing_what_was_never_a_suspect_changes_nothing() {
    let mut suspects = two(0);
    for _ in 0..2 {
        suspects.closed(conn(1), 20);
        suspects.closed(conn(3), 20);
        suspects.tame(conn(4));
    }
    assert!(suspects.crowds.values().all(|Crowd { open, .. }| *open == 1));
    assert_eq!(reason(&suspects, 11, 1_000), Some(Reason::Bound));
}
