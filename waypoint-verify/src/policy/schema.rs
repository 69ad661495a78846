//! Holds a policy against the CRD's own schema: unknown fields, missing ones, wrong types, too many or too long ones, all at once.
//!
//! serde would stop at the first, and an API server would silently drop unknown fields.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde_json::{Map, Value};

use super::WaypointPolicy;
use crate::manifest::{Object, Problem};

static SPEC: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(WaypointPolicy::crd()).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").cloned().unwrap_or_default()
});

const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

pub fn check(object: &Object) -> Vec<Problem> {
    let mut walk = Walk { object, problems: Vec::new() };
    if let Some(fields) = object.json.as_object() {
        for name in fields.keys().filter(|name| !TOP.contains(&name.as_str())) {
            walk.say(name, "unknown field", suggestion(name, TOP.into_iter()));
        }
    }
    match object.json.get("spec") {
        Some(spec) => walk.value(&SPEC, spec, "spec"),
        None => walk.say("spec", "missing", "see the example in the README".into()),
    }
    walk.problems
}

struct Walk<'a> {
    object: &'a Object,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn say(&mut self, field: &str, what: impl Into<String>, cure: String) {
        self.problems.push(self.object.problem(field, what, cure));
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        let expected = schema["type"].as_str().unwrap_or_default();
        let fits = match expected {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            _ => true,
        };
        if !fits {
            return self.say(
                path,
                format!("must be {}, not {}", article(expected), article(kind_of(value))),
                "change its value".into(),
            );
        }
        if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
            let mut allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
            allowed.sort_unstable();
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return self.say(path, format!("{shown:?} is not allowed"), format!("use one of {}", allowed.join(", ")));
        }
        if let Some(number) = value.as_f64() {
            let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                let range = format!("{} to {}", least.unwrap_or(f64::NEG_INFINITY), most.unwrap_or(f64::INFINITY));
                self.say(path, format!("{value} is out of range"), format!("use {range}"));
            }
        }
        self.bounds(schema, value, path);
        match value {
            Value::Object(fields) => self.fields(schema, fields, path),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{path}[{at}]"));
                }
            }
            _ => {}
        }
    }

    /// Upper bounds only: what is too short or has the wrong form `validate` says better.
    fn bounds(&mut self, schema: &Value, value: &Value, path: &str) {
        let (bound, size, of) = match value {
            Value::String(text) => ("maxLength", text.chars().count(), "characters"),
            Value::Array(items) => ("maxItems", items.len(), "entries"),
            Value::Object(fields) => ("maxProperties", fields.len(), "entries"),
            _ => return,
        };
        if let Some(most) = schema[bound].as_u64().filter(|most| size as u64 > *most) {
            self.say(path, format!("{size} {of} are too many"), format!("at most {most} are allowed"));
        }
    }

    fn fields(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        let properties = schema["properties"].as_object();
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            match properties.and_then(|properties| properties.get(name)) {
                Some(property) => self.value(property, value, &path),
                None if schema["additionalProperties"].is_object() => {
                    self.value(&schema["additionalProperties"], value, &path)
                }
                None => {
                    let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
                    self.say(&path, "unknown field", suggestion(name, known));
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.say(&format!("{path}.{name}"), "missing", "this field is required".into());
            }
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn article(kind: &str) -> String {
    match kind {
        "null" => "null".into(),
        "array" => "a list".into(),
        "object" | "integer" => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let near = known.iter().map(|other| (distance(name, other), other)).min();
    match near {
        Some((steps, other)) if steps <= 2 || other.eq_ignore_ascii_case(name) => format!("did you mean {other}?"),
        _ if known.is_empty() => "remove it: nothing belongs here".into(),
        _ => format!("remove it, or use one of {}", known.join(", ")),
    }
}

/// Edits between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
