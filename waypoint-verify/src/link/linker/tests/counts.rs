//! The counts of a whole instance, irregular entries among the payers, against a brute-force maximum matching.

use proptest::prelude::*;
use proptest::sample::select;

use crate::link::testing::{GuardsExt, Request, Scene, matching, request, waypoint};
use crate::model::MessageKey;

const CLIENT: &str = "10.0.0.9";

#[derive(Clone, Debug)]
enum Step {
    /// `dropped`: names that `Connection` lists, which makes the entry irregular.
    Enters {
        a: &'static str,
        b: &'static str,
        dropped: &'static str,
        acknowledged: bool,
    },
    /// What was not acknowledged at once, and is open, is now.
    Acknowledges,
    Departs {
        a: &'static str,
        b: &'static str,
    },
    /// The oldest, or the newest, exchange ends, by an answer or without one.
    Ends {
        oldest: bool,
        closed: bool,
    },
    Passes(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || select(vec!["1", "2"]);
    let dropped = prop_oneof![3 => Just(""), 1 => select(vec!["x-a", "x-b", "x-a, x-b"])];
    let step = prop_oneof![
        4 => (value(), value(), dropped, prop::bool::weighted(0.7))
            .prop_map(|(a, b, dropped, acknowledged)| Step::Enters { a, b, dropped, acknowledged }),
        1 => Just(Step::Acknowledges),
        4 => (value(), value()).prop_map(|(a, b)| Step::Departs { a, b }),
        2 => (any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(oldest, closed)| Step::Ends { oldest, closed }),
        2 => select(vec![3, 7, 30, 1_995]).prop_map(Step::Passes),
    ];
    prop::collection::vec(step, 0..40)
}

fn message(a: &str, b: &str) -> Request {
    request("GET /").with("x-a", a).with("x-b", b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn as_many_are_unpaid_in_all_classes_together_as_no_matching_can_pay(steps in steps()) {
        let mut scene = Scene::of(&waypoint().correlated_by("x-a").correlated_by("x-b"));
        let (mut open, mut payers): (Vec<MessageKey>, Vec<MessageKey>) = (Vec::new(), Vec::new());
        let mut counted: Vec<(MessageKey, Vec<MessageKey>)> = Vec::new();
        for step in steps {
            match step {
                Step::Enters { a, b, dropped, acknowledged } => {
                    let key = scene.enters_unacknowledged(&message(a, b).with("connection", dropped), CLIENT);
                    open.push(key);
                    if acknowledged {
                        scene.linker.acknowledged(key);
                        payers.push(key);
                    }
                }
                Step::Acknowledges => {
                    for key in open.iter().filter(|key| !payers.contains(key)).copied().collect::<Vec<_>>() {
                        scene.linker.acknowledged(key);
                        payers.push(key);
                    }
                }
                Step::Departs { a, b } => {
                    let (key, link) = scene.departs(&message(a, b).with("x-forwarded-for", CLIENT));
                    prop_assert!(!link.more && link.counted != link.candidates.is_empty());
                    if link.counted {
                        counted.push((key, link.candidates.to_vec()));
                    }
                }
                Step::Ends { .. } if open.is_empty() => {}
                Step::Ends { oldest, closed } => {
                    let key = open.remove(if oldest { 0 } else { open.len() - 1 });
                    if closed { scene.closed(key) } else { scene.answered(key) }
                }
                Step::Passes(ms) => scene.passes(ms),
            }
        }
        open.into_iter().for_each(|key| scene.answered(key));
        scene.passes(3_000);
        prop_assert!(!scene.linker.unsettled() && scene.linker.is_empty());

        let place = |key: &MessageKey| payers.iter().position(|payer| payer == key);
        let edges: Vec<Vec<usize>> = counted.iter().map(|(_, of)| of.iter().filter_map(place).collect()).collect();
        let largest = matching(&edges, payers.len(), None);
        prop_assert_eq!(scene.unpaid(), counted.len() - largest);
        // Whatever some maximum matching leaves unpaid is overdrawn, and nothing else is.
        for (index, (key, _)) in counted.iter().enumerate() {
            let may_be_left = matching(&edges, payers.len(), Some(index)) == largest;
            prop_assert_eq!(may_be_left, scene.overdrawn().contains(key), "{}", key);
        }
    }
}
