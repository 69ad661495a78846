//! Every witness that `routes` finds, sent: it has to come where the path says.

use std::collections::BTreeSet;

use waypoint_verify::routes::ingress;
use waypoint_verify::routes::{Assumptions, Class, Demand, Path, Witness, World, analyze};

use super::generate;
use super::model::{Backend, Heard, Request};
use super::oracle::{Oracle, Truth};
use super::predict::{self, Predictions};
use super::requests::SHARED;
use super::shrink::ORDERS;
use super::translate::Set;

const SETS: u64 = 60;
const BATCH: u64 = 30;

/// A witness, and where it has to arrive; `mirror`: a copy of it.
#[derive(Debug)]
struct Expected {
    request: Request,
    to: Backend,
    mirror: bool,
}

#[test]
fn every_witness_takes_its_way() {
    if !super::available("every_witness_takes_its_way") {
        return;
    }
    let (first, count) = super::seeds(SETS);
    let mut oracle = Oracle::start(&super::dir("witnesses")).unwrap();
    let (mut sent, mut wrong, mut refused, mut open) = (0, Vec::new(), 0, 0);
    for start in (first..first + count).step_by(usize::try_from(BATCH).unwrap()) {
        let seeds = start..(start + BATCH).min(first + count);
        let sets = seeds.flat_map(|seed| [generate::set(seed), generate::others(seed)]);
        let (mut batch, mut all) = (Vec::new(), Vec::new());
        for set in sets {
            let expected = expected(&set);
            batch.push((set, expected.iter().map(|one| one.request.clone()).collect::<Vec<_>>()));
            all.push(expected);
        }
        for (((set, _), expected), truth) in batch.iter().zip(&all).zip(oracle.ask(&batch, &ORDERS).unwrap()) {
            let Truth::Told(worlds) = truth else { panic!("{}: {truth:?}", set.id) };
            for (n, one) in expected.iter().enumerate() {
                sent += 1;
                let heard: Vec<&Heard> = worlds.iter().map(|world| &world.heard[n]).collect();
                if heard.iter().any(|heard| matches!(heard, Heard::Refused(_))) {
                    refused += 1;
                } else if !heard.iter().any(|heard| arrives(heard, one)) {
                    // What the order of the operator's lists decides, or a certificate that is not there, may be otherwise here.
                    let predicted = Predictions::of(set).predict(&one.request);
                    let is_gone = ends_tls(set, one) && heard.iter().all(|heard| is_nobody(heard));
                    if predicted.possibilities() > 1 || is_gone {
                        open += 1;
                        continue;
                    }
                    wrong.push(format!("{}: {one:?}\n  {heard:?}", set.id));
                }
            }
        }
    }
    println!("{sent} witnesses, {refused} of tables that Envoy refuses, {open} undecided, {} elsewhere", wrong.len());
    assert!(sent as u64 > count, "hardly any witness: {sent}");
    assert!(open * 10 < sent, "{open} of {sent} are undecided");
    assert!(wrong.is_empty(), "{} of {sent}:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}

/// Some listener of the Gateway has a certificate, and what it leaves to others depends on whether it is there: nobody reads it.
fn ends_tls(set: &Set, expected: &Expected) -> bool {
    let (namespace, name) = &expected.request.front;
    let owner = name.trim_start_matches("cilium-gateway-");
    let is_its = |object: &&serde_json::Value| {
        let metadata = &object["metadata"];
        (metadata["name"] == owner && metadata["namespace"] == namespace.as_str())
            || object["spec"]["parentRef"]["name"] == owner
    };
    let listeners = set.objects.iter().filter(is_its).flat_map(|object| object["spec"]["listeners"].as_array());
    listeners.flatten().any(|listener| listener["tls"].is_object())
}

fn is_nobody(heard: &Heard) -> bool {
    match heard {
        Heard::Answer(answer) => answer.closed,
        Heard::Nothing => true,
        Heard::Refused(_) => false,
    }
}

fn arrives(heard: &Heard, expected: &Expected) -> bool {
    let Heard::Answer(answer) = heard else { return false };
    if expected.mirror { answer.mirrors.contains(&expected.to) } else { answer.backends.contains(&expected.to) }
}

/// Of every Service as if it were somebody's target.
fn expected(set: &Set) -> Vec<Expected> {
    let world = predict::world(set);
    let mut all = Vec::new();
    for service in world.services.keys() {
        let nobody = waypoint_verify::model::NamespacedName { namespace: "none".into(), name: "none".into() };
        let demand = Demand {
            policy: "a/policy".into(),
            targets: vec![service.clone()],
            waypoint: nobody,
            via: BTreeSet::new(),
            entry: None,
        };
        let analysis = analyze(&world, &demand, &Assumptions::default());
        let past = analysis.paths.iter().filter(|path| matches!(path.class, Class::Past { .. }));
        let expected = past.filter_map(|path| of_path(&world, path));
        // At a port that the Service does not have nobody answers.
        all.extend(expected.filter(|one| set.has(&one.to)));
    }
    all
}

/// Of ways by Gateways and Ingresses: the others have no table.
fn of_path(world: &World, path: &Path) -> Option<Expected> {
    let front = path.hops.first()?.key.clone()?;
    let last = path.hops.last()?;
    let at = match front.kind.as_str() {
        "Gateway" => (front.namespace, format!("cilium-gateway-{}", front.name)),
        "Ingress" => {
            let ingress = world.ingresses.get(&front.name()).filter(|one| ingress::is_served(one) == Some(true))?;
            match ingress::is_shared(ingress, predict::SETTINGS) {
                true => (SHARED.0.to_owned(), SHARED.1.to_owned()),
                false => (front.namespace, format!("{}-{}", SHARED.1, front.name)),
            }
        }
        _ => return None,
    };
    let port = last.what.strip_prefix("port ")?.split(' ').next()?.parse().ok()?;
    let service = last.key.clone()?;
    let to = Backend { namespace: service.namespace, service: service.name, port };
    Some(Expected { request: request(at, path.witness.as_ref()?)?, to, mirror: path.mirror })
}

fn request(front: (String, String), witness: &Witness) -> Option<Request> {
    let (scheme, rest) = witness.url.split_once("://")?;
    let at = rest.find('/')?;
    let port = rest[..at].rsplit_once(':')?.1.parse().ok()?;
    Some(Request {
        front,
        port,
        tls: (scheme == "https").then(|| witness.host.split(':').next().unwrap_or_default().to_owned()),
        method: witness.method.clone(),
        host: witness.host.clone(),
        path: rest[at..].to_owned(),
        headers: witness.headers.clone(),
    })
}
