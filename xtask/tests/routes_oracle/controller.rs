//! The oracle's own truth: what Cilium's controller makes of the same objects on a real API server is what its reconcilers make of them
//! here, on a client in memory: configurations, and what it says of the parents of each route.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use xtask::cluster::{ApiServer, Controller};
use xtask::lab::patience;
use xtask::setup::{CILIUM, GATEWAY_API};

use super::generate::{self, NAMESPACES};
use super::translate::{Outcome, Set, Translator};

const SETS: u64 = 6;
/// Of these what comes out the same is not left open by the order of lists.
const ORDERS: [i64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks, each of which is a process.
const PAUSE: Duration = Duration::from_millis(300);
/// What a set brings or the controller makes of it; the ones that it watches first.
const KINDS: [&str; 11] = [
    "gateways",
    "listenersets",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "referencegrants",
    "secrets",
    "services",
    "endpointslices",
    "pods",
    "ciliumenvoyconfigs",
];

#[test]
fn the_controller_on_a_real_api_server_makes_what_its_reconcilers_make_here() {
    let test = "the_controller_on_a_real_api_server_makes_what_its_reconcilers_make_here";
    if !Controller::available(test) || !super::available(test) {
        return;
    }
    let server = ApiServer::start(&super::dir("controller")).unwrap();
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    let _controller = Controller::start(&server).unwrap();
    let mut translator = Translator::start().unwrap();
    let (first, count) = super::seeds(SETS);
    let (mut compared, mut open, mut made) = (0, 0, 0);
    for seed in first.. {
        if compared == count {
            break;
        }
        let stored = store(&server, &generate::set(seed)).unwrap();
        let outcomes = translator.translate(&stored, &ORDERS).unwrap().outcomes;
        if let [expected] = &outcomes[..] {
            compared += 1;
            made += expected.configs.len();
            agrees(&server, expected).unwrap_or_else(|error| panic!("{}: {error:#}", stored.id));
        } else {
            open += 1;
        }
        clear(&server).unwrap();
    }
    println!("{compared} sets alike, with {made} configurations; {open} left open by the order of lists");
    assert!(made as u64 >= count, "{made} configurations of {count} sets");
}

/// As the API server has them then: with its defaults, UIDs and times.
fn store(server: &ApiServer, set: &Set) -> Result<Set> {
    let client = server.client();
    let (namespaces, others): (Vec<_>, Vec<_>) = set.objects.iter().partition(|object| object["kind"] == "Namespace");
    for object in namespaces.into_iter().chain(others) {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut().context("an object without metadata")?;
        metadata.remove("uid");
        metadata.remove("creationTimestamp");
        // Nobody runs pods here, and the controller looks at none.
        if object["kind"] != "Pod" {
            client.apply_one(serde_json::from_value(object)?)?;
        }
    }
    let kinds = format!("namespaces,gatewayclasses,{}", KINDS[..9].join(","));
    let all = listed(server, &kinds)?;
    let ours = all.into_iter().filter(|object| {
        let metadata = &object["metadata"];
        let is_own = |own: &Value| {
            own["kind"] == object["kind"]
                && own["metadata"]["name"] == metadata["name"]
                && own["metadata"]["namespace"] == metadata["namespace"]
        };
        set.objects.iter().any(is_own)
    });
    // What the controller has said of them by now is its answer.
    let objects = ours.map(|mut object| {
        object.as_object_mut().and_then(|fields| fields.remove("status"));
        object
    });
    Ok(Set { id: set.id.clone(), objects: objects.collect() })
}

fn listed(server: &ApiServer, kinds: &str) -> Result<Vec<Value>> {
    let output = server.kubectl()?.args(["get", kinds, "--all-namespaces", "--output=json"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// Waits until the cluster has what is expected, and says what else it has.
fn agrees(server: &ApiServer, expected: &Outcome) -> Result<()> {
    let wanted = (configs(&expected.configs), statuses(&expected.routes));
    let mut last = None;
    let found = patience::wait_for(PATIENCE, "the controller to agree", || {
        std::thread::sleep(PAUSE);
        let routes = listed(server, "httproutes,grpcroutes,tlsroutes")?;
        let routes: Vec<_> = routes
            .iter()
            .map(|route| {
                json!({
                    "kind": route["kind"], "namespace": route["metadata"]["namespace"],
                    "name": route["metadata"]["name"], "parents": route["status"]["parents"],
                })
            })
            .collect();
        let there = last.insert((configs(&listed(server, "ciliumenvoyconfigs")?), statuses(&routes)));
        Ok((*there == wanted).then_some(()))
    });
    found.with_context(|| format!("expected {wanted:#?}, found {last:#?}"))
}

/// Specs by namespace and name.
fn configs(all: &[Value]) -> BTreeMap<String, Value> {
    let of = |config: &Value| {
        let name = format!("{}/{}", config["metadata"]["namespace"], config["metadata"]["name"]);
        (name, without_nothing(&config["spec"]))
    };
    all.iter().map(of).collect()
}

/// `condition status reason` of each parent of each route.
fn statuses(routes: &[Value]) -> BTreeMap<String, Vec<String>> {
    let of = |route: &Value| {
        let parents = route["parents"].as_array().into_iter().flatten();
        let mut said: Vec<_> = parents
            .flat_map(|parent| {
                let of = |condition: &Value| {
                    let part = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                    format!("{} {} {} {}", parent["parentRef"], part("type"), part("status"), part("reason"))
                };
                parent["conditions"].as_array().into_iter().flatten().map(of).collect::<Vec<_>>()
            })
            .collect();
        said.sort();
        (format!("{} {}/{}", route["kind"], route["namespace"], route["name"]), said)
    };
    routes.iter().map(of).collect()
}

/// What is empty and what is not there mean the same.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, field)| (name.clone(), without_nothing(field)));
            kept.filter(|(_, field)| !matches!(field, Value::Null) && *field != json!("") && *field != json!([]))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_nothing).collect(),
        other => other.clone(),
    }
}

/// Nobody collects here what the controller made; namespaces stay.
fn clear(server: &ApiServer) -> Result<()> {
    let delete = |kinds: &str| -> Result<()> {
        for namespace in NAMESPACES {
            let words =
                ["delete", kinds, "--all", "--namespace", namespace, "--wait=false", "--grace-period=0", "--force"];
            let output = server.kubectl()?.args(words).output()?;
            ensure!(output.status.success(), "{kinds}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    delete(&KINDS[..6].join(","))?;
    // What was under way by then is made once more.
    let mut clear = false;
    patience::wait_for(PATIENCE, "nothing to be left", || {
        delete(&KINDS[6..].join(","))?;
        std::thread::sleep(PAUSE);
        // Twice nothing, with time in between for what was still under way.
        let is_clear = listed(server, &KINDS.join(","))?.iter().all(is_elsewhere);
        let was_clear = std::mem::replace(&mut clear, is_clear);
        Ok((is_clear && was_clear).then_some(()))
    })
}

fn is_elsewhere(object: &Value) -> bool {
    !NAMESPACES.iter().any(|namespace| object["metadata"]["namespace"] == *namespace)
}
