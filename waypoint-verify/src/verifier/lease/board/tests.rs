use super::Turn::{Ask, GiveBack, Keep, Take, Wait};
use super::*;

/// `a/2`: held by a, who divides into two; `a/2<b`: and b would like to have it; `-7`: nobody's for seven seconds; `-0<b`: wanted by b;
/// an empty text: not there.
fn seen(leases: &[&str]) -> BTreeMap<u16, Seen> {
    let mut seen = BTreeMap::new();
    for (partition, text) in (0..).zip(leases) {
        if text.is_empty() {
            continue;
        }
        let (text, wanted_by) = text.split_once('<').map_or((*text, None), |(text, by)| (text, Some(by.to_owned())));
        let one = match text.strip_prefix('-') {
            Some(seconds) => Seen { free_for: Duration::from_secs(seconds.parse().unwrap()), ..Seen::default() },
            None => {
                let (holder, partitions) = text.split_once('/').unwrap();
                let (holder, partitions) = (Some(holder.to_owned()), partitions.parse().unwrap());
                Seen { holder, partitions, ..Seen::default() }
            }
        };
        seen.insert(partition, Seen { wanted_by, ..one });
    }
    seen
}

#[test]
fn every_partition_finds_an_owner_and_none_finds_two() {
    let rows: [(&str, u16, &[&str], &[Turn]); 17] = [
        ("the first Lease of all is taken at once", 1, &[""], &[Take]),
        ("what is another's is waited for", 1, &["b/1"], &[Wait]),
        ("what is ours is kept", 1, &["me/1"], &[Keep]),
        ("what was given back is taken at once by who has none", 1, &["-0"], &[Take]),
        ("of several that were never held one takes all, if it is alone", 3, &["", "", ""], &[Take, Take, Take]),
        ("who has one leaves a free one to others for a while", 2, &["me/2", "-4"], &[Keep, Wait]),
        ("and takes it if nobody does", 2, &["me/2", "-5"], &[Keep, Take]),
        ("who has two waits twice as long", 3, &["me/3", "me/3", "-9"], &[Keep, Keep, Wait]),
        ("who has none asks who has two", 2, &["b/2", "b/2"], &[Ask, Wait]),
        ("once", 2, &["b/2", "b/2<me"], &[Wait, Wait]),
        ("and not who has one", 2, &["b/2", "c/2"], &[Wait, Wait]),
        ("who has two gives one to who has none", 2, &["me/2<b", "me/2"], &[GiveBack, Keep]),
        ("but not to who has as many as it would have then", 3, &["me/3<b", "me/3", "b/3"], &[Keep, Keep, Wait]),
        (
            "who asked takes it at once, though it has one",
            4,
            &["-0<me", "b/4", "b/4", "me/4"],
            &[Take, Wait, Wait, Keep],
        ),
        ("who divides differently is waited for", 2, &["b/1", "-60"], &[Wait, Wait]),
        ("also where it holds one that is none of ours", 1, &["-60", "b/2"], &[Wait]),
        ("of two who divide differently the first one's holder stays", 2, &["b/1", "me/2"], &[Wait, GiveBack]),
    ];
    for (what, partitions, leases, expected) in rows {
        assert_eq!(turns("me", partitions, &seen(leases)), expected, "{what}");
    }
    assert_eq!(turns("me", 1, &seen(&["me/1", "b/2"])), [Keep], "and the holder of the first one keeps it");
}

/// Verifiers that come and go, one round after the other; a round is two seconds.
#[test]
fn partitions_are_shared_out_and_stay_where_they_are() {
    struct World {
        leases: BTreeMap<u16, Seen>,
        alive: Vec<&'static str>,
    }
    impl World {
        fn round(&mut self) -> usize {
            let mut changes = 0;
            for me in self.alive.clone() {
                for (partition, turn) in (0..4).zip(turns(me, 4, &self.leases)) {
                    let lease = self.leases.entry(partition).or_default();
                    match turn {
                        Wait => continue,
                        Keep => {
                            lease.wanted_by = None;
                            continue;
                        }
                        Take => *lease = Seen { holder: Some(me.to_owned()), partitions: 4, ..Seen::default() },
                        GiveBack => lease.holder = None,
                        Ask => lease.wanted_by = Some(me.to_owned()),
                    }
                    changes += 1;
                }
            }
            for lease in self.leases.values_mut().filter(|lease| lease.holder.is_none()) {
                lease.free_for += Duration::from_secs(2);
            }
            changes
        }

        /// How many each holds, once nothing changes any more.
        fn settled(&mut self) -> Vec<usize> {
            let mut quiet = 0;
            for _ in 0..60 {
                quiet = if self.round() == 0 { quiet + 1 } else { 0 };
            }
            assert!(quiet > 30, "{:?}", self.leases);
            let held = |who: &&str| self.leases.values().filter(|lease| lease.holder.as_deref() == Some(who)).count();
            self.alive.iter().map(held).collect()
        }

        fn end(&mut self, who: &str) {
            self.alive.retain(|other| *other != who);
            for lease in self.leases.values_mut().filter(|lease| lease.holder.as_deref() == Some(who)) {
                *lease = Seen { wanted_by: lease.wanted_by.take(), ..Seen::default() };
            }
        }
    }
    let mut world = World { leases: BTreeMap::new(), alive: vec!["a"] };
    assert_eq!(world.settled(), [4], "one alone has all");
    world.alive.push("b");
    assert_eq!(world.settled(), [2, 2], "a second one gets half of them");
    world.alive.extend(["c", "d"]);
    assert_eq!(world.settled(), [1, 1, 1, 1]);
    world.end("a");
    let mut shares = world.settled();
    shares.sort_unstable();
    assert_eq!(shares, [1, 1, 2]);
    world.end("b");
    world.end("c");
    assert_eq!(world.settled(), [4]);
}
