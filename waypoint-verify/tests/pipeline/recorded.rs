//! What was recorded of any traffic is judged as it was live.

use proptest::prelude::*;
use waypoint_verify::judge::{Explain, Judged};
use waypoint_verify::recording::{Broken, Reader, Redactor, Replayed, replay};

use crate::properties::{played, traffic};
use crate::world::World;

/// In full, in the order in which they were given; without what a recording hashes.
fn given(judged: &[Judged]) -> Vec<String> {
    judged
        .iter()
        .map(|judged| {
            let mut judged = judged.clone();
            if let Some(explanation) = &mut judged.explanation {
                explanation.request.trace_id = None;
            }
            format!("{judged:?}")
        })
        .collect()
}

fn replayed(octets: &[u8]) -> Result<(Replayed, Vec<Judged>), Broken> {
    let mut all = Vec::new();
    let replayed = replay(octets, Explain::Everything, |judged| {
        all.append(judged);
        Ok(())
    })?;
    Ok((replayed, all))
}

fn tallies(world: &World) -> String {
    serde_json::to_string(world.tally()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_verdicts_are_the_replayed_ones((kinds, dice) in traffic(), minimum in 1..20_u64) {
        let (world, _) = played(&kinds, &dice);
        let octets = world.recording(&Redactor::new([7; 16], false), minimum, Vec::new());
        let (replayed, judged) = replayed(&octets).unwrap();
        prop_assert_eq!(given(&judged), given(&world.judged));
        let policy = &replayed.summary.policies[0];
        prop_assert_eq!(serde_json::to_string(&policy.tally).unwrap(), tallies(&world));
        prop_assert_eq!(policy.verdict, world.tally().verdict(minimum));
        prop_assert_eq!(replayed.differences().count(), 0);
        prop_assert_eq!(
            serde_json::to_string(&replayed.summary.counters).unwrap(),
            serde_json::to_string(world.counters()).unwrap()
        );
    }

    #[test]
    fn a_redacted_recording_gives_the_same_verdicts((kinds, dice) in traffic()) {
        let (world, _) = played(&kinds, &dice);
        let (replayed, judged) = replayed(&world.recording(&Redactor::new([7; 16], true), 1, Vec::new())).unwrap();
        prop_assert_eq!(judged.len(), world.judged.len());
        for (now, then) in judged.iter().zip(&world.judged) {
            prop_assert_eq!((now.key, &now.verdict, now.is_final), (then.key, &then.verdict, then.is_final));
        }
        prop_assert_eq!(serde_json::to_string(&replayed.summary.policies[0].tally).unwrap(), tallies(&world));
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>()) {
        let mut recording = World::default().recording(&Redactor::new([7; 16], false), 1, Vec::new());
        let _ = replayed(&octets);
        let at = at.index(recording.len());
        recording.truncate(at);
        recording.extend(&octets);
        prop_assert!(replayed(&recording).is_err() || octets.is_empty());
    }
}

#[test]
fn nothing_is_said_of_a_recording_whose_end_is_missing() {
    let world = played(&[0, 1, 2], &[3; 64]).0;
    let octets = world.recording(&Redactor::new([7; 16], false), 1, Vec::new());
    for cut in [1, 40, 45, octets.len() / 2] {
        let (mut reader, _) = Reader::open(&octets[..octets.len() - cut]).unwrap();
        assert!(matches!(reader.evidence(|_| Ok(())), Err(Broken::CutOff { .. })), "{cut} octets are missing");
        assert_eq!(reader.digest(), None);
    }
}
