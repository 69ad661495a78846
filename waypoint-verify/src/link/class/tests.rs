//! Payments against a brute-force maximum matching on small random interval graphs.

use std::collections::BTreeSet;

use proptest::prelude::*;
use smallvec::SmallVec;

use super::{Class, Debt, Joined, Outcome, Span};
use crate::link::testing::matching;
use crate::model::{BootNs, ConnKey, MessageKey};

fn key(number: u64) -> MessageKey {
    MessageKey { conn: ConnKey { client_isn: 1, server_isn: 1 }, offset: number, stream: 0 }
}

fn debt(at: u64) -> Debt {
    debt_of(at, at, at)
}

fn debt_of(number: u64, at: u64, ns: BootNs) -> Debt {
    Debt { keys: [key(number)].into_iter().collect(), at, ns, irregular: SmallVec::new() }
}

/// Entries as (complete at, over at), departures by when they began, ascending: several may begin in one record.
/// Orders and clocks are one number here.
#[derive(Clone, Debug)]
struct Traffic {
    entries: Vec<(u64, u64)>,
    departures: Vec<u64>,
}

#[derive(Debug, Default)]
struct Told {
    unpaid: BTreeSet<MessageKey>,
    overdrawn: BTreeSet<MessageKey>,
    paid: BTreeSet<MessageKey>,
}

impl Traffic {
    fn edges(&self) -> Vec<Vec<usize>> {
        let of = |departure: &u64| {
            let could = |(from, until): &(u64, u64)| from < departure && departure <= until;
            (0..self.entries.len()).filter(|entry| could(&self.entries[*entry])).collect()
        };
        self.departures.iter().map(of).collect()
    }

    /// Plays it: `advances` are the times at which what is over is told.
    fn play(&self, advances: &BTreeSet<u64>) -> Told {
        let (mut class, mut out) = (Class::default(), Vec::new());
        let end =
            1 + self.entries.iter().map(|entry| entry.1).chain(self.departures.iter().copied()).max().unwrap_or(0);
        let mut live: Vec<(u64, u64)> = Vec::new();
        let mut coming = self.entries.clone();
        coming.sort_unstable();
        for now in 0..=end + 1 {
            while coming.first().is_some_and(|entry| entry.0 == now) {
                live.push(coming.remove(0));
            }
            for (number, _) in self.departures.iter().enumerate().filter(|(_, at)| **at == now) {
                class.depart(debt_of(number as u64, now, now));
            }
            if !advances.contains(&now) && now <= end {
                continue;
            }
            let mut over: Vec<(u64, u64)> = live.iter().copied().filter(|entry| entry.1 < now).collect();
            over.sort_by_key(|entry| entry.1);
            live.retain(|entry| entry.1 >= now);
            for (at, (from, until)) in over.iter().enumerate() {
                class.entry_over(Span { from: *from, until: *until }, &mut out);
                let earliest = over[at + 1..].iter().chain(&live).map(|entry| entry.0).min();
                let mut dead = Vec::new();
                class.expire(earliest, &mut dead);
                dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
                class.tidy(earliest, std::iter::empty());
            }
        }
        let mut dead = Vec::new();
        class.expire(None, &mut dead);
        dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
        told(out)
    }
}

fn told(out: Vec<Outcome>) -> Told {
    let mut told = Told::default();
    for outcome in out {
        match outcome {
            Outcome::Paid(keys) => told.paid.extend(keys),
            Outcome::Overdrawn { unpaid, shared } => {
                told.overdrawn.extend(unpaid.iter().chain(shared.iter().flatten()));
                told.unpaid.extend(unpaid);
            }
        }
    }
    told
}

fn traffic() -> impl Strategy<Value = Traffic> {
    let entries = prop::collection::vec((0u64..30, 1u64..15), 0..10);
    let departures = prop::collection::vec(1u64..90, 0..12);
    (entries, departures).prop_map(|(entries, mut departures)| {
        departures.sort_unstable();
        Traffic {
            entries: entries.into_iter().map(|(from, life)| (2 * from, 2 * (from + life) + 1)).collect(),
            departures,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn as_many_are_unpaid_as_no_matching_can_pay(
        traffic in traffic(),
        advances in prop::collection::btree_set(0u64..90, 0..20),
    ) {
        let edges = traffic.edges();
        let largest = matching(&edges, traffic.entries.len(), None);
        let told = traffic.play(&advances);
        prop_assert_eq!(told.unpaid.len(), edges.len() - largest);
        prop_assert_eq!(told.paid.len(), largest);
        prop_assert_eq!(told.paid.len() + told.unpaid.len(), traffic.departures.len());
    }

    #[test]
    fn what_some_maximum_matching_leaves_unpaid_is_overdrawn_and_nothing_else_is(
        traffic in traffic(),
        advances in prop::collection::btree_set(0u64..90, 0..20),
    ) {
        let edges = traffic.edges();
        let largest = matching(&edges, traffic.entries.len(), None);
        let told = traffic.play(&advances);
        for (index, at) in traffic.departures.iter().enumerate() {
            let may_be_left = matching(&edges, traffic.entries.len(), Some(index)) == largest;
            prop_assert_eq!(told.overdrawn.contains(&key(index as u64)), may_be_left, "{}", at);
        }
    }

    #[test]
    fn the_order_in_which_departures_are_told_changes_no_count(
        traffic in traffic(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut class = Class::default();
        let mut departures: Vec<(u64, u64)> = (0..).zip(traffic.departures.iter().copied()).collect();
        if !departures.is_empty() {
            let by = order.index(departures.len());
            departures.rotate_left(by);
        }
        departures.into_iter().for_each(|(number, at)| class.depart(debt_of(number, at, at)));
        let mut entries = traffic.entries.clone();
        entries.sort_by_key(|entry| entry.1);
        let mut out = Vec::new();
        for (from, until) in entries {
            class.entry_over(Span { from, until }, &mut out);
        }
        let largest = matching(&traffic.edges(), traffic.entries.len(), None);
        prop_assert_eq!(told(out).paid.len(), largest);
    }
}

fn over(class: &mut Class, from: u64, until: BootNs, earliest: Option<u64>) -> Told {
    let (mut out, mut dead) = (Vec::new(), Vec::new());
    class.entry_over(Span { from, until }, &mut out);
    class.expire(earliest, &mut dead);
    dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
    class.tidy(earliest, std::iter::empty());
    told(out)
}

#[test]
fn one_entry_pays_for_one_of_two_and_which_cannot_be_told() {
    let mut class = Class::default();
    class.depart(debt(2));
    class.depart(debt(3));
    let told = over(&mut class, 1, 9, None);
    assert_eq!(told.overdrawn, [key(2), key(3)].into());
    assert_eq!(told.unpaid.len(), 1);
}

#[test]
fn what_departed_in_another_busy_period_is_not_overdrawn_with_it() {
    let mut class = Class::default();
    class.depart(debt(2));
    assert_eq!(over(&mut class, 1, 9, None).paid, [key(2)].into());
    class.depart(debt(12));
    class.depart(debt(13));
    assert_eq!(over(&mut class, 11, 19, None).overdrawn, [key(12), key(13)].into());
}

#[test]
fn a_further_attempt_shares_the_payment_or_the_lack_of_it() {
    let mut class = Class::default();
    class.depart(debt(2));
    class.depart(debt(8));
    assert_eq!(class.join(key(2), key(3)), Joined::Waiting);
    let mut out = Vec::new();
    class.entry_over(Span { from: 1, until: 4 }, &mut out);
    assert_eq!(told(out).paid, [key(2), key(3)].into());
    assert_eq!(class.join(key(3), key(4)), Joined::Paid);

    class.depart(debt(5));
    assert_eq!(over(&mut class, 4, 4, Some(5)).overdrawn, [key(5)].into());
    assert_eq!(class.join(key(5), key(6)), Joined::Overdrawn);
    assert_eq!(class.join(key(99), key(100)), Joined::Unknown);
}

/// Else an attempt of a request that may be the made-up one would be called paid.
#[test]
fn a_further_attempt_of_what_shares_an_overdrawn_payment_is_overdrawn() {
    let (mut class, mut out, mut dead) = (Class::default(), Vec::new(), Vec::new());
    [2, 3].into_iter().for_each(|at| class.depart(debt(at)));
    class.entry_over(Span { from: 1, until: 9 }, &mut out);
    class.expire(None, &mut dead);
    dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
    assert_eq!([2, 3].map(|first| class.join(key(first), key(20))), [Joined::Overdrawn; 2]);
    // It still is when nothing else is remembered.
    class.tidy(None, [key(2)].into_iter());
    assert!(class.paid.is_empty() && !class.is_forgotten());
    assert_eq!([2, 3].map(|first| class.join(key(first), key(21))), [Joined::Overdrawn, Joined::Unknown]);
}

#[test]
fn what_nothing_can_be_connected_with_any_more_is_not_kept() {
    let mut class = Class::default();
    for period in 0..100 {
        let from = 10 * period;
        [from + 2, from + 3].into_iter().for_each(|at| class.depart(debt(at)));
        // Something else is always open, since before that.
        let told = over(&mut class, from + 1, from + 9, Some(from + 8));
        assert_eq!((told.paid.len(), told.unpaid.len(), told.overdrawn.len()), (1, 1, 2));
        assert_eq!((class.paid.len(), class.points.len(), class.is_forgotten()), (0, 0, true));
    }
}

/// An entry may be told after what departed later: a gap before it was filled late.
#[test]
fn what_is_paid_by_an_entry_that_could_have_paid_for_an_overdrawn_departure_is_overdrawn_with_it() {
    let (mut class, mut out, mut dead) = (Class::default(), Vec::new(), Vec::new());
    [2, 5, 7, 20].into_iter().for_each(|at| class.depart(debt(at)));
    class.entry_over(Span { from: 1, until: 3 }, &mut out);
    class.expire(Some(5), &mut dead);
    dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
    class.entry_over(Span { from: 4, until: 9 }, &mut out);
    let Told { paid, unpaid, overdrawn } = told(out);
    assert_eq!((paid, unpaid, overdrawn), ([2, 7].map(key).into(), [key(5)].into(), [5, 7].map(key).into()));
}

/// Of a busy period that is longer than what is remembered, just what a later departure can reach.
#[test]
fn what_can_still_be_overdrawn_is_remembered_before_what_cannot() {
    let (mut class, mut out) = (Class::default(), Vec::new());
    // Several begin at one clock; nothing reaches the first of all.
    let clock = |number: u64| number / 3 * 3;
    let last = super::REMEMBERED as u64 + 2;
    class.depart(debt_of(0, 5, 0));
    class.depart(debt_of(3, 35, clock(3)));
    class.entry_over(Span { from: 1, until: 0 }, &mut out);
    for number in 3..=last {
        class.depart(debt_of(number + 1, 10 * number + 15, clock(number + 1)));
        class.entry_over(Span { from: 10 * number, until: clock(number + 1) }, &mut out);
    }
    let mut dead = Vec::new();
    class.expire(None, &mut dead);
    assert_eq!(dead.iter().map(|debt| debt.keys[0]).collect::<Vec<_>>(), [key(last + 1)]);
    dead.into_iter().for_each(|debt| class.overdraw(debt, &mut out));
    assert_eq!(told(out).overdrawn, (3..=last + 1).map(key).collect());
}

/// Else an attempt that came after its payment would stay called paid.
#[test]
fn a_further_attempt_of_what_was_paid_is_overdrawn_with_it() {
    let mut class = Class::default();
    [2, 3].into_iter().for_each(|at| class.depart(debt(at)));
    assert_eq!(over(&mut class, 1, 9, Some(1)).paid, [key(2)].into());
    assert_eq!(class.join(key(2), key(20)), Joined::Paid);
    let told = over(&mut class, 8, 10, None);
    assert_eq!(told.overdrawn, [key(2), key(3), key(20)].into());
    assert_eq!(told.unpaid, [key(3)].into());
}

#[test]
fn a_long_busy_period_is_remembered_in_part_and_counted_in_full() {
    let mut class = Class::default();
    let mut paid = 0;
    // Something hangs from the beginning, so that the class is never idle.
    class.depart(debt(1));
    for at in 1..20_000u64 {
        class.depart(debt(10 * at + 1));
        let mut out = Vec::new();
        class.entry_over(Span { from: 10 * at, until: 10 * at + 5 }, &mut out);
        paid += told(out).paid.len();
    }
    assert_eq!(paid, 19_999);
    assert!(class.paid.len() <= super::REMEMBERED);
    let last = over(&mut class, 0, 1, None);
    assert_eq!((last.paid.len(), last.unpaid.len()), (1, 0));
}
