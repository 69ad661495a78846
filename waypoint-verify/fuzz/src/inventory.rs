//! Inventory files: every complaint says where, the order of objects does not matter, printing and reading again changes
//! nothing, and whom a watch list protects is a pod that the files name.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use serde::Deserialize;
use serde_json::Value;
use waypoint_verify::inventory::{Compiled, Inventory, compile_all};
use waypoint_verify::manifest::{Object, Problem, read_str};
use waypoint_verify::policy::{Loaded, take_policies};

use crate::policy::printed;
use crate::{Disagreement, demand, edits, settle};

const FILE: &str = "cluster.yaml";
const CLUSTER: &str = include_str!("../../tests/testdata/cluster/cluster.yaml");
const POLICY: &str = include_str!("../../tests/testdata/policy.yaml");

/// The first octet chooses between text and changes to a cluster that is right.
pub fn target(octets: &[u8]) {
    let Some((mode, rest)) = octets.split_first() else { return };
    if mode.is_multiple_of(2) {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        settle(check(read_str(FILE, text)));
    } else {
        let mut documents = DOCUMENTS.clone();
        if edits::apply(&mut Unstructured::new(rest), &mut documents).is_ok() {
            settle(check(read(&documents)));
        }
    }
}

/// The objects of the example, lists taken apart.
static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let documents = serde_norway::Deserializer::from_str(CLUSTER);
    let values = documents.map(|document| Value::deserialize(document).expect("the example is YAML"));
    values.flat_map(|value| value["items"].as_array().cloned().unwrap_or_else(|| vec![value])).collect()
});

/// As the reader hands them out.
static OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let (objects, problems) = read_str(FILE, &printed(&DOCUMENTS));
    assert_eq!((objects.len(), &problems[..]), (DOCUMENTS.len(), &[][..]));
    objects
});

static POLICIES: LazyLock<Vec<Loaded>> = LazyLock::new(|| {
    let mut problems = Vec::new();
    let (policies, _) = take_policies(read_str("policy.yaml", POLICY).0, &mut problems);
    assert_eq!((policies.len(), &problems[..]), (1, &[][..]));
    policies
});

/// Prints and reads these documents; those of the example were read already, which is most of the work.
fn read(documents: &[Value]) -> (Vec<Object>, Vec<Problem>) {
    let known = |document: &Value| DOCUMENTS.iter().position(|known| known == document);
    let (mut objects, mut changed) = (Vec::new(), Vec::new());
    for document in documents {
        match known(document) {
            Some(at) => objects.push(OBJECTS[at].clone()),
            None => changed.push(document.clone()),
        }
    }
    let (more, problems) = read_str(FILE, &printed(&changed));
    objects.extend(more);
    (objects, problems)
}

fn check((objects, problems): (Vec<Object>, Vec<Problem>)) -> Result<(), Disagreement> {
    named(&problems)?;
    let (inventory, problems) = Inventory::from_objects(objects.clone());
    named(&problems)?;
    let compiled = compile_all(&POLICIES, &inventory);
    judge(&objects, &compiled)?;

    let documents: Vec<Value> = objects.iter().map(|object| (*object.json).clone()).collect();
    let (mut again, more) = read(&documents);
    demand!(more.is_empty(), "printed, it has problems: {more:?}");
    // Of an object that is given twice the last one counts.
    if !problems.iter().any(|problem| problem.what.contains("given twice")) {
        again.reverse();
    }
    same(&compiled, &compile_all(&POLICIES, &Inventory::from_objects(again).0), "read again, in another order")
}

pub fn same(one: &Compiled, other: &Compiled, how: &str) -> Result<(), Disagreement> {
    // Which of two that clash is named first depends on the order; that something is wrong does not.
    let errors = |compiled: &Compiled| compiled.problems.iter().filter(|problem| problem.is_error()).count();
    demand!(errors(one) == errors(other), "{how}: {:?}\n{:?}", one.problems, other.problems);
    let text = |compiled: &Compiled| {
        let mut watch = compiled.watch.clone();
        // Findings name places in files.
        watch.findings.clear();
        watch.revision = 0;
        format!("{watch:?}")
    };
    demand!(text(one) == text(other), "{how}: {:?}\n{:?}", one.watch, other.watch);
    Ok(())
}

/// What the watch list says of pods, against the objects themselves.
pub fn judge(objects: &[Object], compiled: &Compiled) -> Result<(), Disagreement> {
    let pods = || objects.iter().filter(|object| object.key.kind == "Pod" && object.key.group.is_empty());
    let uids: BTreeSet<&str> = pods().filter_map(|pod| pod.json.pointer("/metadata/uid")?.as_str()).collect();
    for uid in &compiled.watch.protected {
        demand!(uids.contains(uid.as_str()), "no pod has the UID {uid:?} that is protected");
    }
    let ids = container_ids(pods());
    for id in compiled.watch.proxies.keys() {
        demand!(ids.contains(id.as_str()), "no pod has the container {id:?} that is a proxy");
    }
    for problem in compiled.problems.iter().filter(|problem| problem.is_error()) {
        demand!(!problem.what.is_empty(), "nothing said: {problem:?}");
    }
    Ok(())
}

fn container_ids<'a>(pods: impl Iterator<Item = &'a Object>) -> BTreeSet<&'a str> {
    let mut ids = BTreeSet::new();
    for pod in pods {
        for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
            for status in pod.json["status"][list].as_array().into_iter().flatten() {
                let places = ["/containerID", "/lastState/terminated/containerID", "/state/terminated/containerID"];
                let found = places.iter().filter_map(|place| status.pointer(place)?.as_str());
                ids.extend(found.map(|id| id.split_once("://").map_or(id, |(_, id)| id)));
            }
        }
    }
    ids
}

fn named(problems: &[Problem]) -> Result<(), Disagreement> {
    for problem in problems {
        let file = problem.file.as_deref().is_some_and(|file| file.starts_with(FILE));
        demand!(file && !problem.what.is_empty(), "no file, or nothing said: {problem:?}");
        let syntax = problem.what.starts_with("not valid YAML");
        demand!(problem.object.is_some() || syntax, "no object: {problem:?}");
    }
    Ok(())
}
