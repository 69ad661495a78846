//! From a set that shows something to one that shows it with as little as possible.

use anyhow::Result;
use serde_json::Value;

use super::model::Request;
use super::oracle::{Oracle, Truth, World};
use super::translate::Set;

/// Variants that one Envoy serves at once.
const AT_ONCE: usize = 100;
/// Fields of Ingresses without which an API server takes none and Cilium's operator panics, or nobody knows whose they are.
const NEEDED: [&str; 4] = ["backend", "ingressClassName", "pathType", "service"];
pub const ORDERS: [i64; 4] = [1, 2, 3, 4];

/// A part of a set: an object, or something within its spec.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    object: usize,
    path: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Item(usize),
    Field(String),
}

/// Takes away objects, then parts of their specs, as long as what `shows` wants is still shown.
pub fn shrink(
    oracle: &mut Oracle,
    set: &Set,
    request: &Request,
    shows: &dyn Fn(&Set, &[World]) -> bool,
) -> Result<Set> {
    let mut smallest = set.clone();
    for parts in [objects, fields] {
        loop {
            let all = parts(&smallest);
            let alone: Vec<Set> = all.iter().map(|part| smallest.without(std::slice::from_ref(part))).collect();
            let dispensable = showing(oracle, &alone, request, shows)?;
            let dispensable: Vec<Part> = dispensable.into_iter().map(|at| all[at].clone()).collect();
            // One by one they can be spared; how many of them together?
            let together: Vec<Set> =
                (1..=dispensable.len()).map(|count| smallest.without(&dispensable[..count])).collect();
            match showing(oracle, &together, request, shows)?.pop() {
                Some(most) => smallest = together[most].clone(),
                None => break,
            }
        }
    }
    Ok(smallest)
}

/// Which of these sets show it.
fn showing(
    oracle: &mut Oracle,
    sets: &[Set],
    request: &Request,
    shows: &dyn Fn(&Set, &[World]) -> bool,
) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for (chunk, sets) in sets.chunks(AT_ONCE).enumerate() {
        let batch: Vec<_> = sets.iter().map(|set| (set.clone(), vec![request.clone()])).collect();
        let truths = oracle.ask(&batch, &ORDERS)?;
        for (at, (set, truth)) in sets.iter().zip(truths).enumerate() {
            if matches!(truth, Truth::Told(worlds) if shows(set, &worlds)) {
                found.push(chunk * AT_ONCE + at);
            }
        }
    }
    Ok(found)
}

fn objects(set: &Set) -> Vec<Part> {
    (0..set.objects.len()).map(|object| Part { object, path: Vec::new() }).collect()
}

/// Outermost first.
fn fields(set: &Set) -> Vec<Part> {
    let mut parts = Vec::new();
    for (object, value) in set.objects.iter().enumerate() {
        let mut path = Vec::new();
        walk(&value["spec"], &mut path, &mut |path| parts.push(Part { object, path: path.to_vec() }));
    }
    parts.sort_by_key(|part| part.path.len());
    parts
}

/// `NEEDED` stays, whatever is within.
fn walk(value: &Value, path: &mut Vec<Step>, take: &mut dyn FnMut(&[Step])) {
    let mut step = |step: Step, inner: &Value| {
        path.push(step);
        take(path);
        walk(inner, path, take);
        path.pop();
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| step(Step::Item(at), item)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !NEEDED.contains(&name.as_str()))
            .for_each(|(name, field)| step(Step::Field(name.clone()), field)),
        _ => {}
    }
}

impl Set {
    fn without(&self, parts: &[Part]) -> Self {
        let mut less = self.clone();
        // Marked first, so that no index moves under another part.
        for part in parts {
            let target = match &part.path[..] {
                [] => Some(&mut less.objects[part.object]),
                path => path.iter().try_fold(&mut less.objects[part.object]["spec"], |value, step| match step {
                    Step::Item(at) => value.get_mut(at),
                    Step::Field(name) => value.get_mut(name),
                }),
            };
            // It may be within another part that is gone.
            if let Some(target) = target {
                *target = Value::Null;
            }
        }
        less.objects.retain(|object| !object.is_null());
        less.objects.iter_mut().for_each(prune);
        less
    }
}

/// No generated object has a null.
fn prune(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(prune);
        }
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(prune);
        }
        _ => {}
    }
}
