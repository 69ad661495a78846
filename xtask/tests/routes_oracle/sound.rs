//! The generator: what it makes is what an API server takes, and a good part of it is served.

use super::model::Heard;
use super::oracle::{Oracle, Truth};
use super::{generate, requests};

/// A test of nothing but requests for hosts that nobody has would pass whatever the routes said.
#[test]
fn generated_sets_are_valid_and_most_of_their_requests_meet_a_route() {
    if !super::available("generated_sets_are_valid_and_most_of_their_requests_meet_a_route") {
        return;
    }
    let batch: Vec<_> = (0..60)
        .map(|seed| {
            let set = generate::set(seed);
            let requests = requests::of(&set, seed, 30);
            (set, requests)
        })
        .collect();
    let start = std::time::Instant::now();
    let truths = Oracle::start(&super::dir("sound")).unwrap().ask(&batch, &[1, 2, 3]).unwrap();
    let mut heard = std::collections::BTreeMap::<&str, usize>::new();
    for ((set, _), truth) in batch.iter().zip(truths) {
        let worlds = match truth {
            Truth::Told(worlds) => worlds,
            Truth::Refused(why) => panic!("{}: {why:?}", set.id),
        };
        for world in &worlds {
            for heard_one in &world.heard {
                let word = match heard_one {
                    Heard::Answer(answer) if !answer.backends.is_empty() => "reached a backend",
                    Heard::Answer(answer) if !answer.redirects.is_empty() => "redirected",
                    Heard::Answer(answer) if answer.closed => "closed",
                    Heard::Answer(answer) if answer.own.contains(&404) => "no route",
                    Heard::Answer(_) => "no backend",
                    Heard::Refused(_) => "refused by Envoy",
                    Heard::Nothing => "no listener",
                };
                *heard.entry(word).or_default() += 1;
            }
        }
        *heard.entry("worlds").or_default() += worlds.len();
        *heard.entry("failures").or_default() += worlds.iter().map(|world| world.failures.len()).sum::<usize>();
    }
    println!("{heard:?} in {:?}", start.elapsed());
    let total: usize =
        heard.iter().filter(|(word, _)| !["worlds", "failures"].contains(word)).map(|(_, count)| count).sum();
    assert!(heard["reached a backend"] * 4 > total, "{heard:?}");
}
