//! Policy files: what passes validation says the same when it is printed and read again, and what does not pass is said
//! with its file, object and field.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use serde_json::Value;
use waypoint_verify::manifest::{Problem, read_str};
use waypoint_verify::policy::{Loaded, take_policies};

use crate::{Disagreement, demand, edits, settle};

const FILE: &str = "policy.yaml";
const BASE: &str = include_str!("../../tests/testdata/policy.yaml");

/// The first octet chooses between text and changes to a policy that is right.
pub fn target(octets: &[u8]) {
    let Some((mode, rest)) = octets.split_first() else { return };
    if mode.is_multiple_of(2) {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        settle(check(text));
    } else if let Ok(documents) = edited(rest) {
        settle(check(&printed(&documents)));
    }
}

fn edited(octets: &[u8]) -> arbitrary::Result<Vec<Value>> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_norway::from_str(BASE).expect("the example is YAML"));
    let mut documents = vec![DOCUMENT.clone()];
    edits::apply(&mut Unstructured::new(octets), &mut documents)?;
    Ok(documents)
}

/// As YAML documents; JSON is YAML.
pub fn printed(documents: &[Value]) -> String {
    documents.iter().map(|document| format!("---\n{document}\n")).collect()
}

pub fn read(text: &str) -> (Vec<Loaded>, Vec<Problem>) {
    let (objects, mut problems) = read_str(FILE, text);
    let (policies, _) = take_policies(objects, &mut problems);
    (policies, problems)
}

fn check(text: &str) -> Result<(), Disagreement> {
    let (policies, problems) = read(text);
    named(&problems)?;
    for policy in &policies {
        let printed = serde_norway::to_string(&policy.policy);
        let printed = printed.map_err(|error| Disagreement(format!("cannot be printed: {error}: {policy:?}")))?;
        same(policy, &read(&printed), &printed)?;
    }
    Ok(())
}

/// The policy that was printed is the only one that is read.
pub fn same(policy: &Loaded, read: &(Vec<Loaded>, Vec<Problem>), printed: &str) -> Result<(), Disagreement> {
    let (again, problems) = read;
    demand!(problems.is_empty(), "printed, it has problems: {problems:?}\n{printed}");
    demand!(again.len() == 1, "{} policies were read again\n{printed}", again.len());
    demand!(again[0].policy == policy.policy, "{policy:?}\nread again: {again:?}\n{printed}");
    Ok(())
}

/// Every complaint says where.
pub fn named(problems: &[Problem]) -> Result<(), Disagreement> {
    for problem in problems {
        let file = problem.file.as_deref().is_some_and(|file| file.starts_with(FILE));
        demand!(file && !problem.what.is_empty(), "no file, or nothing said: {problem:?}");
        let syntax = problem.what.starts_with("not valid YAML");
        let place = problem.object.is_some() && problem.field.is_some();
        demand!(place || syntax, "no object or no field: {problem:?}");
    }
    Ok(())
}
