//! Changes to a document that is right: bare octets would hardly ever be YAML, let alone a Kubernetes object.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

/// Applies as many edits as the octets hold (at most eight) to these documents.
pub fn apply(u: &mut Unstructured<'_>, documents: &mut Vec<Value>) -> Result<()> {
    for _ in 0..8 {
        if u.is_empty() || documents.is_empty() {
            break;
        }
        let at = u.choose_index(documents.len())?;
        match u.int_in_range(0..=15)? {
            0 => drop(documents.remove(at)),
            1 => documents.push(documents[at].clone()),
            _ => descend(u, &mut documents[at], 0)?,
        }
    }
    Ok(())
}

fn descend(u: &mut Unstructured<'_>, value: &mut Value, depth: usize) -> Result<()> {
    let children = match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if children == 0 || depth > 0 && u.ratio(1, 6)? {
        return change(u, value);
    }
    let at = u.choose_index(children)?;
    match value {
        Value::Object(fields) => descend(u, fields.values_mut().nth(at).expect("inside"), depth + 1),
        Value::Array(items) => descend(u, &mut items[at], depth + 1),
        _ => Ok(()),
    }
}

fn change(u: &mut Unstructured<'_>, value: &mut Value) -> Result<()> {
    match (u.int_in_range(0..=7)?, &mut *value) {
        (0, Value::Object(fields)) => {
            let name = fields.keys().nth(u.choose_index(fields.len().max(1))?).cloned();
            name.map(|name| fields.remove(&name));
        }
        (1, Value::Object(fields)) => drop(fields.insert(text(u)?, scalar(u)?)),
        (0, Value::Array(items)) if !items.is_empty() => drop(items.remove(u.choose_index(items.len())?)),
        (1, Value::Array(items)) => {
            let more = items.first().cloned().map_or_else(|| scalar(u), Ok)?;
            items.push(more);
        }
        (2, Value::String(text)) if !text.is_empty() => drop(text.pop()),
        (3, Value::String(text)) => text.push(*u.choose(&['a', '0', '.', '/', ':', '-', '*', '\u{e4}'])?),
        (4, other) => *other = json!([other.take()]),
        (5, other) => *other = Value::Object(Map::from_iter([(text(u)?, other.take())])),
        (_, other) => *other = scalar(u)?,
    }
    Ok(())
}

fn scalar(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=9)? {
        0 => Value::Null,
        1 => json!(u.arbitrary::<bool>()?),
        2 => json!(u.arbitrary::<i64>()?),
        3 => json!(u.arbitrary::<u16>()?),
        4 => json!([]),
        5 => json!({}),
        6 => json!(1.5),
        _ => json!(text(u)?),
    })
}

/// Words that mean something somewhere, or anything.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    const WORDS: [&str; 40] = [
        "",
        "hello",
        "hello-backend",
        "hello-waypoint",
        "hello-gateway",
        "hello-upstream",
        "kube-system",
        "default",
        "Service",
        "Gateway",
        "Pod",
        "List",
        "HTTPRoute",
        "*",
        "0",
        "-1",
        "65536",
        "10.0.0.1",
        "fd00::1",
        "10.0.0.0/8",
        "::/0",
        "::ffff:10.0.0.1",
        "127.0.0.1:1",
        "true",
        "10m",
        "-1s",
        "99999999999h",
        "x-forwarded-for",
        "x-request-id",
        "containerd://",
        "metadata",
        "spec",
        "status",
        "name",
        "namespace",
        "ports",
        "app",
        "kubelet",
        "~",
        "1e999",
    ];
    if u.ratio(5, 6)? {
        Ok((*u.choose(&WORDS)?).to_owned())
    } else {
        Ok(u.arbitrary::<&str>()?.chars().take(40).collect())
    }
}
