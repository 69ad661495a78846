use super::*;
use crate::lockstep::Blind;

fn judged(seen: &[&str], blind: &[&str], batches: u64) -> Report {
    let coverage = Coverage {
        seen: seen.iter().map(|node| (*node).to_owned()).collect(),
        blind: blind.iter().map(|node| ((*node).to_owned(), [Blind::Silent].into())).collect(),
    };
    Report { coverage, counters: Counters { batches, ..Counters::default() }, ..Report::default() }
}

#[test]
fn of_several_partitions_a_node_is_seen_only_if_all_of_them_see_it() {
    let reports = [judged(&["a", "b"], &[], 3), judged(&["a"], &["b"], 4)];
    let all = Report::of_all(reports.iter());
    assert_eq!(all.coverage, judged(&["a"], &["b"], 0).coverage);
    assert_eq!(all.counters.batches, 7);
    assert!(all.is_judged());
}

#[test]
fn the_lag_is_that_of_the_slowest_partition() {
    let after = |seconds: Option<u64>| Report { lag: seconds.map(Duration::from_secs), ..judged(&["a"], &[], 1) };
    let elsewhere = || Report::standing_by(Some("b".to_owned()), Vec::new());
    let rows = [
        ([after(Some(1)), after(Some(7))], Some(7)),
        ([after(Some(1)), after(None)], None),
        ([after(Some(1)), elsewhere()], Some(1)),
    ];
    for (reports, expected) in rows {
        assert_eq!(Report::of_all(reports.iter()).lag, expected.map(Duration::from_secs), "{reports:?}");
    }
}

#[test]
fn who_judges_one_partition_answers_and_who_judges_none_names_the_others() {
    let elsewhere = |owner: &str| Report::standing_by(Some(owner.to_owned()), Vec::new());
    let all = Report::of_all([elsewhere("b"), judged(&["a"], &[], 1)].iter());
    assert!(all.is_judged() && all.not_ready.is_empty());
    let none = Report::of_all([elsewhere("c"), elsewhere("b"), elsewhere("c"), elsewhere("")].iter());
    assert_eq!(none.stands_by_for.as_deref(), Some("b,c"));
    let unknown = Report::of_all([elsewhere("b"), Report::standing_by(None, Vec::new())].iter());
    assert_eq!(unknown.not_ready.len(), 1, "a Lease that cannot be read is said");
}
