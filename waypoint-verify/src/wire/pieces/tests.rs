//! Octets ahead of a hole: every way in which a piece can lie over others.

use crate::wire::fixture::{Feed, GET};
use crate::wire::{Conflict, Poison};

/// Some with a hole between them, some without.
const HELD: [(usize, usize); 3] = [(4, 8), (10, 13), (13, 15)];

fn ahead() -> Feed {
    let mut feed = Feed::new();
    for (from, to) in HELD {
        feed.at(from as u64, &GET[from..to]);
    }
    feed
}

#[test]
fn a_piece_is_compared_with_all_that_it_overlaps_and_with_nothing_else() {
    let conflict = Poison::from(Conflict::OverlapDiffers);
    for (from, to) in (1..17).flat_map(|from| (from + 1..18).map(move |to| (from, to))) {
        let at = from as u64;
        // The same octets, seen or doubted, change nothing, not even twice.
        let mut same = ahead();
        same.at(at, &GET[from..to]).doubt(at, &GET[from..to]).at(at, &GET[from..to]);
        assert_eq!((same.poison(), same.stream.followed()), (None, 0), "{from}..{to}");
        same.at(0, &GET[..1]).at(1, &GET[1..]);
        assert_eq!((same.poison(), same.ends().len()), (None, 1), "{from}..{to}");
        for differs in from..to {
            let mut octets = GET[from..to].to_vec();
            octets[differs - from] ^= 1;
            let overlaps = HELD.iter().any(|(from, to)| (*from..*to).contains(&differs));
            let expected = overlaps.then_some((0, conflict));
            let (mut seen, mut doubted) = (ahead(), ahead());
            seen.at(at, &octets);
            doubted.doubt(at, &octets);
            assert_eq!((seen.poison(), doubted.poison()), (expected, expected), "{from}..{to}, {differs} differs");
            // What was held first is what the rest is compared with.
            for feed in [&mut seen, &mut doubted] {
                feed.at(0, GET);
                assert_eq!(feed.poison().map(|(_, why)| why), Some(conflict), "{from}..{to}, {differs} differs");
            }
        }
    }
}
