use super::*;

const SECOND: BootNs = 1_000_000_000;

fn coverage(why: Option<&[Blind]>) -> Coverage {
    let node = "node-1".to_owned();
    match why {
        None => Coverage { seen: [node].into(), blind: BTreeMap::new() },
        Some(why) => Coverage { seen: BTreeSet::new(), blind: [(node, why.iter().cloned().collect())].into() },
    }
}

/// Whether the node is shown as seen, tick after tick.
fn played(ticks: &[(u64, Option<&[Blind]>)]) -> Vec<bool> {
    let (mut grace, mut before) = (Grace::default(), Coverage::default());
    let shown = ticks.iter().map(|(second, why)| {
        let now = coverage(*why);
        let shown = grace.shown(&before, &now, second * SECOND);
        before = now;
        shown.is_complete()
    });
    shown.collect()
}

const STALE: Option<&[Blind]> = Some(&[Blind::Stale]);

#[test]
fn a_node_that_was_seen_has_some_seconds_to_take_up_a_new_watch_list() {
    assert_eq!(played(&[(1, None), (2, STALE), (6, STALE), (7, STALE)]), [true, true, true, false]);
    assert_eq!(played(&[(1, None), (2, STALE), (3, None), (6, STALE), (10, STALE)]), [true; 5]);
}

#[test]
fn nothing_else_is_waited_for() {
    assert_eq!(played(&[(1, STALE), (2, STALE)]), [false, false], "it was never seen");
    let silent = Some(&[Blind::Stale, Blind::Silent][..]);
    assert_eq!(played(&[(1, None), (2, silent), (3, STALE)]), [true, false, false]);
    assert_eq!(played(&[(1, None), (2, Some(&[Blind::Gap])), (3, None)]), [true, false, true]);
}
