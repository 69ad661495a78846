//! What holds for any traffic and any order of its evidence.

use std::collections::BTreeMap;

use proptest::prelude::*;
use waypoint_verify::evidence::Evidence;
use waypoint_verify::judge::{Judge, Judged};
use waypoint_verify::model::MessageKey;

use crate::traffic::{Dice, KINDS, Kind, Truth, play};
use crate::world::{World, words};

pub fn played(kinds: &[usize], dice: &[u8]) -> (World, Truth) {
    let mut world = World::default();
    let kinds: Vec<Kind> = kinds.iter().map(|kind| KINDS[*kind]).collect();
    let truth = play(&mut world, &kinds, &mut Dice(dice.to_vec(), 0));
    (world, truth)
}

fn verdicts(judged: &[Judged]) -> BTreeMap<MessageKey, String> {
    words(judged).into_iter().map(|((_, key), (words, _))| (key, words)).collect()
}

fn told(judge: &mut Judge, evidence: impl IntoIterator<Item = Evidence>) -> (BTreeMap<MessageKey, String>, String) {
    let mut judged = Vec::new();
    evidence.into_iter().for_each(|evidence| judge.apply(evidence, &mut judged));
    let tally = judge.tallies().next().unwrap().1;
    (verdicts(&judged), serde_json::to_string(tally).unwrap())
}

/// Shuffles what came between two ticks.
fn shuffled(evidence: &[Evidence], dice: &mut Dice) -> Vec<Evidence> {
    let mut out = Vec::new();
    for between in evidence.split_inclusive(|evidence| matches!(evidence, Evidence::Tick { .. })) {
        let (tick, rest) = between.split_last().unwrap();
        let (mut rest, mut last) = (rest.to_vec(), vec![tick.clone()]);
        if !matches!(tick, Evidence::Tick { .. }) {
            rest.append(&mut last);
        }
        for at in (1..rest.len()).rev() {
            rest.swap(at, dice.roll(at + 1));
        }
        out.append(&mut rest);
        out.append(&mut last);
    }
    out
}

pub fn traffic() -> impl Strategy<Value = (Vec<usize>, Vec<u8>)> {
    (prop::collection::vec(0..KINDS.len(), 1..14), prop::collection::vec(any::<u8>(), 64..400))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bypass_is_verified_and_no_compliant_request_is_a_bypass((kinds, dice) in traffic()) {
        let (world, truth) = played(&kinds, &dice);
        let found = verdicts(&world.judged);
        prop_assert_eq!(found.len(), truth.len(), "every arrival has a verdict: {:?}", found);
        let distinct = truth.values().all(|kind| kind.is_distinct());
        for (key, kind) in &truth {
            let verdict = &found[key];
            match kind.bypass() {
                None => prop_assert!(!verdict.starts_with("Bypassed"), "{kind:?} {verdict}"),
                Some(name) if verdict.starts_with("Bypassed") => prop_assert!(verdict.contains(name), "{kind:?} {verdict}"),
                Some(_) => prop_assert!(!verdict.starts_with("Verified"), "{kind:?} {verdict}"),
            }
            if distinct {
                let expected = kind.bypass().map_or("Verified".to_owned(), |name| format!("Bypassed({name})"));
                prop_assert_eq!(verdict, &expected, "{:?}", kind);
            }
        }
        let made_up = truth.values().filter(|kind| !kind.is_distinct()).count() as u64;
        prop_assert!(world.tally().forced <= made_up);
        prop_assert!(!world.unsettled() && world.tally().provisional == 0);
    }

    #[test]
    fn any_order_of_evidence_between_two_ticks_gives_the_same_verdicts((kinds, dice) in traffic(), order in prop::collection::vec(any::<u8>(), 32..200)) {
        let (world, _) = played(&kinds, &dice);
        let expected = told(&mut world.another_judge(), world.testified.clone());
        prop_assert_eq!(&expected.0, &verdicts(&world.judged), "replayed");
        let mixed = shuffled(&world.testified, &mut Dice(order, 0));
        prop_assert_eq!(told(&mut world.another_judge(), mixed), expected);
    }

    #[test]
    fn evidence_that_comes_twice_changes_nothing((kinds, dice) in traffic(), order in prop::collection::vec(any::<u8>(), 32..200)) {
        let (world, _) = played(&kinds, &dice);
        let expected = told(&mut world.another_judge(), world.testified.clone());
        let mut dice = Dice(order, 0);
        let mut twice = Vec::new();
        for evidence in &world.testified {
            twice.push(evidence.clone());
            // At once, or after other evidence, ticks included.
            if dice.roll(2) == 0 {
                twice.push(evidence.clone());
            }
            let again = dice.roll(twice.len());
            if dice.roll(3) == 0 && !matches!(twice[again], Evidence::Tick { .. }) {
                twice.push(twice[again].clone());
            }
        }
        prop_assert_eq!(told(&mut world.another_judge(), twice), expected);
    }

    #[test]
    fn the_same_records_give_the_same_verdicts((kinds, dice) in traffic()) {
        let (one, other) = (played(&kinds, &dice).0, played(&kinds, &dice).0);
        prop_assert_eq!(&one.testified, &other.testified);
        prop_assert_eq!(verdicts(&one.judged), verdicts(&other.judged));
    }
}
