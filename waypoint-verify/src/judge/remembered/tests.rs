use super::Remembered;
use crate::model::{ConnKey, MessageKey};

fn key(n: u32) -> MessageKey {
    MessageKey { conn: ConnKey { client_isn: n, server_isn: 0 }, offset: 0, stream: 0 }
}

fn of(bound: usize, numbers: impl IntoIterator<Item = u32>) -> Remembered<u32> {
    let mut remembered = Remembered::new(bound);
    for n in numbers {
        assert!(!remembered.insert(key(n), n, PartialEq::eq));
    }
    remembered
}

fn overflow(remembered: &mut Remembered<u32>, needed: &[u32]) -> Vec<u32> {
    remembered.overflow(|_, value| needed.contains(value)).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn what_is_beyond_the_bound_goes_the_oldest_first() {
    let mut remembered = of(4, 0..6);
    assert_eq!(overflow(&mut remembered, &[]), [0, 1]);
    assert_eq!(overflow(&mut remembered, &[]), [0; 0], "so many may be kept");
    assert_eq!(remembered.get(&key(2)), Some(&2));
}

#[test]
fn what_was_removed_is_not_given_out_once_more_and_takes_no_place() {
    let mut remembered = of(4, 0..6);
    remembered.remove(&key(0));
    assert_eq!(remembered.get(&key(0)), None);
    assert_eq!(overflow(&mut remembered, &[]), [1]);
    for n in 6..1000 {
        remembered.insert(key(n), n, PartialEq::eq);
        remembered.remove(&key(n));
        assert_eq!(overflow(&mut remembered, &[]), [0; 0], "two are there still");
        assert!(remembered.order.len() <= 64 + 2 * 5);
    }
}

#[test]
fn what_is_needed_goes_last_and_if_everything_is_the_oldest_goes() {
    let mut remembered = of(8, 0..10);
    assert_eq!(overflow(&mut remembered, &[0, 2]), [1, 3]);
    let all: Vec<u32> = (0..20).collect();
    for n in 10..12 {
        remembered.insert(key(n), n, PartialEq::eq);
    }
    // After some were passed over the search ends.
    assert_eq!(overflow(&mut remembered, &all).len(), 2);
    assert_eq!(remembered.by_key.len(), 8);
}

#[test]
fn what_is_known_stays_and_what_differs_from_it_is_told() {
    let mut remembered = of(4, [1]);
    assert!(!remembered.insert(key(1), 1, PartialEq::eq));
    assert!(remembered.insert(key(1), 2, PartialEq::eq));
    assert_eq!(remembered.get(&key(1)), Some(&1));
}
