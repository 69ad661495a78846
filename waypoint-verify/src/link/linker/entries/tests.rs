//! Entries that are gone leave nothing behind, however long another one stays.

use super::{Entries, Entry, STALE};
use crate::link::EntryIn;
use crate::link::testing::request;
use crate::model::{ConnKey, MessageKey};

fn entry(number: u32, complete_at: u64, class: u64, irregular: bool) -> Entry {
    let key = MessageKey { conn: ConnKey { client_isn: number, server_isn: 1 }, offset: 0, stream: 0 };
    let facts = request("GET /").facts();
    Entry::new(EntryIn { key, facts, peer: [10, 0, 0, 9].into(), complete_at }, class, irregular)
}

/// A client that keeps one request open and repeats an equal one must not make the rest ever slower.
#[test]
fn one_entry_that_stays_open_keeps_nothing_of_those_that_come_and_go() {
    for (first, irregular) in [(true, false), (false, false), (true, true)] {
        let mut entries = Entries::default();
        let mut number = 0;
        let mut next = |entries: &mut Entries, irregular| {
            number += 1;
            entries.insert(entry(number, u64::from(number), 1, irregular));
            entry(number, 0, 1, false).key
        };
        let before: Vec<_> = (0..if first { 0 } else { 100 }).map(|_| next(&mut entries, irregular)).collect();
        let kept = next(&mut entries, false);
        before.into_iter().for_each(|key| assert!(entries.remove(key).is_some()));
        for _ in 0..1_000 {
            let key = next(&mut entries, irregular);
            entries.over(key, 5, true);
            assert_eq!(entries.next_over(6).map(|entry| entry.key), Some(key));
        }
        assert_eq!((entries.len(), entries.irregular_len()), (1, 0));
        assert!(entries.slots.len() <= 101, "{} slots", entries.slots.len());
        assert!(entries.by_age.len() <= 64 + 2, "{} by age", entries.by_age.len());
        assert!(entries.by_class[&1].all.len() <= 2, "{} of its class", entries.by_class[&1].all.len());
        assert_eq!((entries.by_conn.len(), entries.answered.len(), entries.closed.len()), (1, 0, 0));
        assert!(entries.remove(kept).is_some() && entries.by_class.is_empty() && entries.by_conn.is_empty());
    }
}

#[test]
fn those_that_come_and_go_after_many_that_stay_open_are_not_kept_behind_them() {
    let mut entries = Entries::default();
    for number in 0..1_100u32 {
        entries.insert(entry(number, u64::from(number), 1, false));
        assert!(entries.by_class[&1].all.len() <= 101);
        if number >= 100 {
            entries.remove(entry(number, 0, 1, false).key);
        }
    }
    assert_eq!((entries.len(), entries.of_class(1).count()), (100, 100));
}

#[test]
fn those_that_are_gone_are_stepped_over_in_front_of_a_class_only_if_they_are_few() {
    let mut entries = Entries::default();
    (0..1_000u32).for_each(|number| entries.insert(entry(number, u64::from(number), 1, false)));
    for number in 0..999u32 {
        entries.remove(entry(number, 0, 1, false).key);
        assert_eq!(entries.earliest_of_class(1), Some(u64::from(number) + 1));
        let places = &entries.by_class[&1].all;
        let dead = places.iter().take_while(|(slot, _)| entries.slots[*slot as usize].is_none()).count();
        assert!(dead < STALE && (places.len() - dead) * 2 >= places.len(), "{dead} of {}", places.len());
    }
}

/// Else a departure would be called overdrawn while an entry that can pay for it is open.
#[test]
fn the_earliest_of_a_class_is_the_one_that_was_complete_first_in_whatever_order_they_are_told() {
    let mut entries = Entries::default();
    let mut live: Vec<u64> = Vec::new();
    for number in 0..400u32 {
        let complete_at = u64::from(number * 173 % 401);
        entries.insert(entry(number, complete_at, 1, false));
        live.push(complete_at);
        if number % 3 == 0 {
            let gone = number / 2;
            if entries.remove(entry(gone, 0, 1, false).key).is_some() {
                live.retain(|at| *at != u64::from(gone * 173 % 401));
            }
        }
        assert_eq!(entries.earliest_of_class(1), live.iter().min().copied());
    }
}

#[test]
fn of_several_requests_of_a_connection_those_that_are_left_are_known() {
    let mut entries = Entries::default();
    let keys: Vec<MessageKey> = (0..3).map(|stream| MessageKey { stream, ..entry(1, 0, 1, false).key }).collect();
    for key in &keys {
        entries.insert(Entry { key: *key, ..entry(1, 1, 1, false) });
    }
    entries.remove(keys[1]);
    let mut left = entries.of_connection(keys[0].conn).to_vec();
    left.sort_unstable();
    assert_eq!(left, [keys[0], keys[2]]);
}
