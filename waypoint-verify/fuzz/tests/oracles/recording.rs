//! Recordings: a reader that loses, changes or reorders something.

use waypoint_verify::evidence::Evidence;
use waypoint_verify_fuzz::recording::{Content, pieces, read, same, written};

/// Of the corpus.
const FILE: &[u8] = include_bytes!("../../corpus/recording/file");
const EVIDENCE: &[u8] = include_bytes!("../../corpus/recording/evidence");

#[test]
fn the_corpus_holds_a_recording_and_evidence_of_every_kind() {
    let (_, evidence, _) = read(&FILE[1..]).unwrap();
    let kinds: std::collections::BTreeSet<_> = pieces(&EVIDENCE[3..])
        .iter()
        .map(|piece| format!("{piece:?}").split([' ', '{']).next().unwrap().to_owned())
        .collect();
    assert!(evidence.len() > 10 && kinds.len() == 15, "{} {kinds:?}", evidence.len());
}

#[test]
fn a_reader_that_loses_changes_or_reorders_something_is_caught() {
    let good = read(&FILE[1..]).unwrap();
    assert_eq!(same(&good, read(&written(&good)).as_ref()), Ok(()));
    let mut wrong: Vec<Content> = vec![good.clone(); 6];
    wrong[0].1.pop();
    wrong[1].1.swap(0, 1);
    wrong[2].1.push(Evidence::Tick { at: 1 });
    wrong[3].0.min_verified += 1;
    wrong[4].0.watch.policies.clear();
    wrong[5].2.observed.ring_octets += 1;
    for wrong in &wrong {
        assert!(same(&good, Some(wrong)).is_err());
    }
    assert!(same(&good, None).is_err());
}
