//! `routes` against the truth: no path too few, and each path too many counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::model::Request;
use super::model::{Answer, Backend, Heard};
use super::oracle::{Oracle, Truth, World};
use super::predict::{Predicted, Predictions};
use super::shrink::{ORDERS, shrink};
use super::translate::Set;
use super::{generate, requests};

/// How many sets where nobody says otherwise.
const SETS: u64 = 300;
const OTHERS: u64 = 150;
const BATCH: u64 = 50;
const REQUESTS: usize = 30;
/// Differences of each kind that are made small and told of (ORACLE_TOLD).
const TOLD: usize = 3;

/// How an answer differs from what `routes` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Something was reached that `routes` does not have.
    Few,
    /// An answer of the proxy itself that `routes` does not have.
    Other,
    /// `routes` has a backend that was never reached.
    Many,
}

#[derive(Debug, Default)]
struct Tally {
    /// Answers, of every world.
    compared: usize,
    /// Requests that `routes` has a backend for.
    with_backend: usize,
    /// Whether Envoy, and `routes`, say that the table is refused.
    refused: BTreeMap<(bool, bool), usize>,
    found: BTreeMap<Difference, Vec<(Set, Request)>>,
}

#[test]
fn no_request_goes_where_routes_does_not_say() {
    if !super::available("no_request_goes_where_routes_does_not_say") {
        return;
    }
    compare("compare", SETS, generate::set);
}

#[test]
fn no_request_to_an_ingress_or_by_a_service_s_own_routes_goes_where_routes_does_not_say() {
    if !super::available("no_request_to_an_ingress_or_by_a_service_s_own_routes_goes_where_routes_does_not_say") {
        return;
    }
    compare("others", OTHERS, generate::others);
}

/// Of so many sets, if nobody says otherwise.
fn compare(name: &str, sets: u64, generate: fn(u64) -> Set) {
    let (first, count) = super::seeds(sets);
    let mut oracle = Oracle::start(&super::dir(name)).unwrap();
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < first + count {
        let seeds = seed..(seed + BATCH).min(first + count);
        seed = seeds.end;
        let batch: Vec<_> = seeds
            .map(|seed| {
                let set = generate(seed);
                let requests = requests::of(&set, seed, REQUESTS);
                (set, requests)
            })
            .collect();
        let truths = oracle.ask(&batch, &ORDERS).unwrap();
        for ((set, requests), truth) in batch.iter().zip(truths) {
            let worlds = match truth {
                Truth::Told(worlds) => worlds,
                Truth::Refused(why) => panic!("{}: {why:?}", set.id),
            };
            tally.count(set, requests, &worlds);
        }
    }
    println!("{}", tally.text());
    tally.tell(&mut oracle);
    let wrong = tally.number(Difference::Few) + tally.number(Difference::Other);
    assert_eq!(wrong, 0, "{}", tally.text());
}

impl Tally {
    fn count(&mut self, set: &Set, requests: &[Request], worlds: &[World]) {
        let predictions = Predictions::of(set);
        for (n, request) in requests.iter().enumerate() {
            let heard: Vec<&Heard> = worlds.iter().map(|world| &world.heard[n]).collect();
            let predicted = predictions.predict(request);
            self.compared += heard.len();
            self.with_backend += usize::from(!predicted.backends.is_empty());
            for one in &heard {
                *self.refused.entry((matches!(one, Heard::Refused(_)), predicted.refused)).or_default() += 1;
            }
            for difference in differences(set, &heard, &predicted) {
                self.found.entry(difference).or_default().push((set.clone(), request.clone()));
            }
        }
    }

    fn number(&self, difference: Difference) -> usize {
        self.found.get(&difference).map_or(0, Vec::len)
    }

    fn text(&self) -> String {
        format!(
            "compared {}, too few {}, other answers {}, too many {} of {}, (Envoy refuses, routes says so): {:?}",
            self.compared,
            self.number(Difference::Few),
            self.number(Difference::Other),
            self.number(Difference::Many),
            self.with_backend,
            self.refused
        )
    }

    /// The first of each kind that must not be, as small as they can be made; ORACLE_MANY=1 tells of paths too many as well.
    fn tell(&self, oracle: &mut Oracle) {
        let limit = std::env::var("ORACLE_TOLD").map_or(TOLD, |text| text.parse().expect("ORACLE_TOLD"));
        for (difference, found) in &self.found {
            if *difference == Difference::Many && std::env::var_os("ORACLE_MANY").is_none() {
                continue;
            }
            // All of them, for whoever looks for what they have in common.
            found.iter().for_each(|(set, request)| println!("{difference:?}, {}: {request}", set.id));
            let mut sets = BTreeSet::new();
            for (set, request) in found.iter().filter(|(set, _)| sets.insert(set.id.clone())).take(limit) {
                let mut text = String::new();
                let _ = writeln!(text, "{difference:?}, {}: {request}", set.id);
                let shows = |set: &Set, worlds: &[World]| {
                    let heard: Vec<&Heard> = worlds.iter().map(|world| &world.heard[0]).collect();
                    differences(set, &heard, &Predictions::of(set).predict(request)).contains(difference)
                };
                let set = shrink(oracle, set, request, &shows).unwrap();
                for object in &set.objects {
                    let _ = writeln!(
                        text,
                        "  {} {}/{} {}",
                        object["kind"], object["metadata"]["namespace"], object["metadata"]["name"], object["spec"]
                    );
                }
                let truths = oracle.ask(&[(set.clone(), vec![request.clone()])], &ORDERS).unwrap();
                if let [Truth::Told(worlds)] = &truths[..] {
                    for world in worlds {
                        let _ = writeln!(text, "  was: {:?}", world.heard[0]);
                    }
                }
                let _ = writeln!(text, "  routes: {:?}", Predictions::of(&set).predict(request));
                println!("{text}");
            }
        }
    }
}

fn differences(set: &Set, heard: &[&Heard], predicted: &Predicted) -> BTreeSet<Difference> {
    let mut found = BTreeSet::new();
    let mut reached = BTreeSet::new();
    for one in heard {
        match one {
            Heard::Answer(answer) => {
                reached.extend(&answer.backends);
                found.extend(of_answer(answer, predicted));
            }
            // What was there before goes on: nobody knows what that is.
            Heard::Refused(_) if predicted.refused => return found,
            Heard::Refused(_) => {
                found.insert(Difference::Other);
            }
            Heard::Nothing => {}
        }
    }
    let answers = |backend: &&Backend| set.has(backend) && !reached.contains(*backend);
    if predicted.backends.iter().any(|backend| answers(&backend)) {
        found.insert(Difference::Many);
    }
    found
}

fn of_answer(answer: &Answer, predicted: &Predicted) -> Option<Difference> {
    if !answer.backends.is_subset(&predicted.backends) || !answer.mirrors.is_subset(&predicted.mirrors) {
        return Some(Difference::Few);
    }
    // A backend without endpoints: the path is there, nobody at its end.
    let known = |status: &u16| match status {
        503 => !predicted.backends.is_empty(),
        // Of plaintext at a port of TLS, for example: there is a proxy, and nothing that it serves.
        404 => predicted.own.contains(status) || !predicted.front,
        _ => predicted.own.contains(status),
    };
    let is_other = !predicted.anything && !answer.redirects.is_empty() && !predicted.redirect
        || !predicted.anything && !answer.own.iter().all(known);
    is_other.then_some(Difference::Other)
}
