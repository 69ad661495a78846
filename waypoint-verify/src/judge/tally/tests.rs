use smallvec::smallvec;

use super::{Group, Share, TOLD_APART, Tally};
use crate::judge::state::JudgedUnder;
use crate::model::{Bypass, Class, ConnKey, MessageKey, Reason, Verdict};

fn key(n: usize) -> MessageKey {
    MessageKey { conn: ConnKey { client_isn: u32::try_from(n).unwrap(), server_isn: 0 }, offset: 0, stream: 0 }
}

fn judged(verdict: Verdict, class: Class, is_final: bool) -> JudgedUnder {
    JudgedUnder { policy: 0, verdict, class, is_final, overdrawn: None }
}

fn overdrawn(group: usize) -> JudgedUnder {
    let overdrawn = Some(Share { class: 3, group: key(group) });
    JudgedUnder { overdrawn, ..judged(Verdict::Unverified(Reason::Overdrawn), Class::Request, true) }
}

#[test]
fn what_is_taken_back_leaves_no_row_behind() {
    let all = [
        judged(Verdict::Verified, Class::Request, true),
        judged(Verdict::Verified, Class::Request, false),
        judged(Verdict::Verified, Class::Mirror, true),
        judged(Verdict::Verified, Class::Exempt("scrape".into()), true),
        judged(Verdict::Bypassed(smallvec![Bypass::RouteBypass]), Class::Request, true),
        judged(Verdict::Unverified(Reason::Bound), Class::Request, true),
    ];
    for judged in &all {
        let mut tally = Tally::default();
        tally.add(judged, false);
        assert_eq!(tally.requests, 1);
        tally.add(judged, true);
        tally.take_back(judged);
        assert_eq!((tally.requests, tally.withdrawn), (1, 1));
        tally.take_back(judged);
        let nothing = Tally { withdrawn: 1, ..Tally::default() };
        assert_eq!(serde_json::to_value(&tally).unwrap(), serde_json::to_value(&nothing).unwrap(), "{judged:?}");
    }
}

/// Past the bound requests are counted without names, so a further attempt may count as a request; none is forgotten.
#[test]
fn beyond_what_is_told_apart_requests_and_payments_are_still_counted() {
    let mut tally = Tally::default();
    let both = |tally: &mut Tally, groups: std::ops::Range<usize>| {
        for group in groups {
            let mut judged = overdrawn(group);
            let share = judged.overdrawn.take();
            tally.add(&judged, false);
            tally.overdrawn.entry(3).or_default().count(share.unwrap().group, 1);
        }
    };
    both(&mut tally, 0..TOLD_APART + 3);
    tally.overdrawn_class(3, (0..TOLD_APART + 1).map(key));
    let bound = TOLD_APART as u64;
    assert_eq!(tally.groups, [Group { arrived: bound + 3, at_most_passed: bound + 1 }]);
    assert_eq!((tally.forced, tally.bypasses()), (2, 2));
    // What is known by name counts once, and with it may go.
    tally.add(&overdrawn(7), false);
    tally.overdrawn_class(3, [key(7)].into_iter());
    assert_eq!(tally.forced, 2);
    tally.take_back(&overdrawn(7));
    tally.take_back(&overdrawn(7));
    assert_eq!(tally.groups, [Group { arrived: bound + 2, at_most_passed: bound + 1 }]);
    // What is not, too.
    tally.take_back(&overdrawn(TOLD_APART + 1));
    assert_eq!((tally.forced, tally.groups.len()), (0, 0));
}

/// Their numbers depend on the order in which evidence comes; what is shown must not.
#[test]
fn groups_are_shown_in_an_order_of_their_own() {
    let mut tally = Tally::default();
    for (class, arrived) in [(1, 3), (2, 2)] {
        for group in 0..arrived {
            let share = Some(Share { class, group: key(group) });
            tally.add(&JudgedUnder { overdrawn: share, ..overdrawn(group) }, false);
        }
        tally.overdrawn_class(class, std::iter::empty());
    }
    let group = |arrived| Group { arrived, at_most_passed: 0 };
    assert_eq!((&tally.groups[..], tally.forced), (&[group(2), group(3)][..], 5));
}
