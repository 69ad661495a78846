use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::*;
use crate::model::{Bypass, ConnKey, MessageKey, NamespacedName};

const SECOND: BootNs = 1_000_000_000;

fn judged(verdict: Verdict, is_final: bool, is_first: bool, withdrawn: Option<Verdict>) -> Judged {
    Judged {
        policy: Arc::new(NamespacedName { namespace: "hello".into(), name: "p".into() }),
        key: MessageKey { conn: ConnKey { client_isn: 1, server_isn: 2 }, offset: 0, stream: 0 },
        verdict,
        class: Class::Request,
        is_final,
        withdrawn,
        is_first,
        arrived: 0,
        explanation: None,
    }
}

fn bypassed() -> Verdict {
    Verdict::Bypassed(smallvec![Bypass::RouteBypass])
}

fn window() -> Window {
    Window::new(Duration::from_secs(600), 0)
}

fn tally(forced: u64, lost: u64) -> Tally {
    let mut tally = Tally::default();
    (tally.forced, tally.lost) = (forced, lost);
    tally
}

/// No canaries are among them.
fn tick(window: &mut Window, at: BootNs, judged: &[Judged], tally: &Tally) {
    window.tick(at, judged.iter().map(|judged| (judged, false)), tally);
}

#[test]
fn a_verified_request_counts_once_when_nothing_can_change_it() {
    let mut window = window();
    tick(&mut window, SECOND, &[judged(Verdict::Verified, false, true, None)], &tally(0, 0));
    assert_eq!((window.said().requests, window.said().verified), (1, 0));
    tick(&mut window, 2 * SECOND, &[judged(Verdict::Verified, true, false, None)], &tally(0, 0));
    assert_eq!((window.said().requests, window.said().verified), (1, 1));
    assert_eq!(window.said().verdict(1, 0, true), PolicyVerdict::True);
}

#[test]
fn what_is_withdrawn_counts_as_what_it_became() {
    let mut window = window();
    tick(&mut window, SECOND, &[judged(Verdict::Verified, true, true, None)], &tally(0, 0));
    let taken_back = judged(bypassed(), true, false, Some(Verdict::Verified));
    tick(&mut window, 2 * SECOND, &[taken_back], &tally(0, 0));
    let said = window.said();
    assert_eq!((said.requests, said.verified, said.withdrawn), (1, 1, 1));
    assert_eq!(said.verdict(1, 0, true), PolicyVerdict::False);
}

#[test]
fn a_bypass_is_let_go_when_the_window_is_past_it_and_stays_in_the_total() {
    let mut window = window();
    tick(&mut window, SECOND, &[judged(bypassed(), true, true, None)], &tally(0, 0));
    tick(&mut window, 500 * SECOND, &[judged(Verdict::Verified, true, true, None)], &tally(0, 0));
    assert_eq!(window.said().verdict(1, 0, true), PolicyVerdict::False);
    tick(&mut window, 602 * SECOND, &[], &tally(0, 0));
    assert_eq!(window.said().verdict(1, 0, true), PolicyVerdict::True);
    tick(&mut window, 1200 * SECOND, &[], &tally(0, 0));
    assert_eq!(window.said(), Said::default());
    assert_eq!(window.said().verdict(1, 0, true), PolicyVerdict::Unknown);
    assert_eq!((window.total.bypasses(), window.total.verified), (1, 1));
}

#[test]
fn losses_and_forced_counts_are_taken_as_they_grow() {
    let mut window = window();
    tick(&mut window, SECOND, &[judged(Verdict::Verified, true, true, None)], &tally(0, 7));
    assert_eq!((window.said().lost, window.said().verdict(1, 0, true)), (7, PolicyVerdict::Unknown));
    tick(&mut window, 2 * SECOND, &[], &tally(3, 7));
    // Of the three one is named later: what was certain was certain.
    tick(&mut window, 3 * SECOND, &[], &tally(2, 7));
    tick(&mut window, 4 * SECOND, &[], &tally(3, 7));
    assert_eq!((window.said().lost, window.said().forced), (7, 3));
    assert_eq!(window.said().verdict(1, 0, true), PolicyVerdict::False);
}

#[test]
fn another_verifier_goes_on_with_it() {
    let mut window = window();
    tick(&mut window, 100 * SECOND, &[judged(bypassed(), true, true, None)], &tally(0, 0));
    tick(&mut window, 300 * SECOND, &[judged(Verdict::Verified, true, true, None)], &tally(0, 5));
    // On a machine that is up for a long time, a minute later.
    let aged = window.aged(310 * SECOND, 0);
    let now = 100_000 * SECOND;
    let mut other = Window::restored(Duration::from_secs(600), aged, 60 * SECOND, now);
    assert_eq!((other.said(), &other.total), (window.said(), &window.total));
    assert_eq!(other.since, now - 370 * SECOND);
    // What the new tally has lost is lost in addition.
    tick(&mut other, now + SECOND, &[], &tally(0, 1));
    assert_eq!(other.said().lost, 6);
    tick(&mut other, now + 340 * SECOND, &[], &tally(0, 1));
    assert_eq!((other.said().bypasses(), other.said().verified), (0, 1));
    // On one that has just started, nothing is older than it.
    let young = Window::restored(Duration::from_secs(600), window.aged(310 * SECOND, 0), 0, 5 * SECOND);
    assert_eq!(young.said(), window.said());
}

#[test]
fn true_needs_traffic_coverage_and_nothing_open() {
    let verified = Said { verified: 1, ..Said::default() };
    let doubt = Said { unverified: BTreeMap::from([(Reason::Gap, 1)]), ..verified.clone() };
    let rows = [
        (&verified, 1, 0, true, PolicyVerdict::True),
        (&verified, 2, 0, true, PolicyVerdict::Unknown),
        (&verified, 1, 1, true, PolicyVerdict::Unknown),
        (&verified, 1, 0, false, PolicyVerdict::Unknown),
        (&doubt, 1, 0, true, PolicyVerdict::Unknown),
        (&Said::default(), 0, 0, true, PolicyVerdict::Unknown),
    ];
    for (said, least, provisional, covered, expected) in rows {
        assert_eq!(said.verdict(least, provisional, covered), expected, "{said:?} {least} {provisional} {covered}");
    }
    let bypassed = Said { bypassed: BTreeMap::from([("RouteBypass".into(), 1)]), ..verified };
    assert_eq!(bypassed.verdict(1, 5, false), PolicyVerdict::False, "a bypass needs no coverage");
}

#[test]
fn canaries_count_as_requests_and_as_nothing_else() {
    let mut window = Window::new(Duration::from_secs(600), 0);
    let all = [judged(Verdict::Verified, true, true, None), judged(bypassed(), true, true, None)];
    window.tick(SECOND, all.iter().map(|judged| (judged, true)), &tally(0, 0));
    assert_eq!(window.said(), Said { requests: 2, canaries: 2, ..Said::default() });
    // A provisional one is counted when it is said for good.
    let first = judged(Verdict::Verified, false, true, None);
    let last = judged(Verdict::Verified, true, false, None);
    window.tick(SECOND, [(&first, true)].into_iter(), &tally(0, 0));
    window.tick(SECOND, [(&last, true)].into_iter(), &tally(0, 0));
    assert_eq!(window.said(), Said { requests: 3, canaries: 3, ..Said::default() });
}

#[test]
fn what_was_said_since_a_moment_is_told_if_it_is_known() {
    let mut window = window();
    tick(&mut window, 100 * SECOND, &[judged(bypassed(), true, true, None)], &tally(0, 0));
    tick(&mut window, 300 * SECOND, &[judged(Verdict::Verified, true, true, None)], &tally(0, 0));
    let since = |age| window.said_since(400 * SECOND, age * SECOND).map(|said| (said.verified, said.bypasses()));
    assert_eq!(since(50), Some((0, 0)));
    assert_eq!(since(105), Some((1, 0)), "of a step that began before, all of it counts");
    assert_eq!(since(250), Some((1, 0)));
    assert_eq!(since(400), Some((1, 1)));
    assert_eq!(window.said_since(700 * SECOND, 601 * SECOND), None, "longer than the window");
    let later = Window::new(Duration::from_secs(600), 200 * SECOND);
    assert_eq!(later.said_since(400 * SECOND, 300 * SECOND), None, "longer than it was observed");
}
