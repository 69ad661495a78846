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

#[test]
fn what_is_beyond_the_bound_goes_the_oldest_first() {
    let mut remembered = of(4, 0..6);
    assert_eq!(remembered.overflow(), Some((key(0), 0)));
    assert_eq!(remembered.overflow(), Some((key(1), 1)));
    assert_eq!(remembered.overflow(), None, "so many may be kept");
    assert_eq!(remembered.get(&key(2)), Some(&2));
}

#[test]
fn what_was_removed_is_not_given_out_once_more() {
    let mut remembered = of(4, 0..6);
    remembered.remove(&key(0));
    assert_eq!(remembered.get(&key(0)), None);
    assert_eq!(remembered.overflow(), Some((key(1), 1)));
}

#[test]
fn what_is_known_stays_and_what_differs_from_it_is_told() {
    let mut remembered = of(4, [1]);
    assert!(!remembered.insert(key(1), 1, PartialEq::eq));
    assert!(remembered.insert(key(1), 2, PartialEq::eq));
    assert_eq!(remembered.get(&key(1)), Some(&1));
}
