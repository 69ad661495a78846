//! HTTPRoutes and GRPCRoutes: what their filters do to requests.
//!
//! Routes count whether or not they are accepted: while objects change, both states must guard.

use serde_json::Value;

use super::effects::Effects;
use super::gateways::{Served, served_by};
use crate::inventory::{Inventory, Item, Route};
use crate::manifest::Problem;
use crate::model::Touch;
use crate::policy::GATEWAY_GROUP;

const RULE_FIELDS: [&str; 7] = ["name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence"];

pub fn read(inventory: &Inventory, effects: &mut Effects) {
    for route in inventory.routes().filter(|route| !only_elsewhere(inventory, route)) {
        for (at, rule) in route.value.spec.rules.iter().enumerate() {
            let path = format!("spec.rules[{at}]");
            for field in rule.as_object().into_iter().flat_map(|fields| fields.keys()) {
                if !RULE_FIELDS.contains(&field.as_str()) {
                    effects
                        .anything(&route.finding(&format!("{path}.{field}"), "", ""), "this field is not understood");
                }
            }
            filters(route, rule, &path, effects);
            for (backend, reference) in list(rule, "backendRefs").enumerate() {
                filters(route, reference, &format!("{path}.backendRefs[{backend}]"), effects);
            }
        }
    }
}

/// All its parents are Gateways that some other controller serves. A Gateway that is not in the inventory might be ours.
fn only_elsewhere(inventory: &Inventory, route: &Item<Route>) -> bool {
    let parents = &route.value.spec.parent_refs;
    !parents.is_empty()
        && parents.iter().all(|parent| {
            let gateway = inventory.gateways.get(&parent.named_from(&route.key.namespace));
            parent.is(GATEWAY_GROUP, "Gateway")
                && gateway.is_some_and(|gateway| matches!(served_by(inventory, gateway), Served::Elsewhere(_)))
        })
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn filters(route: &Item<Route>, holder: &Value, path: &str, effects: &mut Effects) {
    if holder.get("filters").is_some_and(|filters| !filters.is_array()) {
        effects.anything(&route.finding(&format!("{path}.filters"), "", ""), "this is not a list of filters");
    }
    for (at, filter) in list(holder, "filters").enumerate() {
        let place = route.finding(&format!("{path}.filters[{at}]"), "", "");
        match filter["type"].as_str().unwrap_or_default() {
            "RequestHeaderModifier" => header_modifier(&place, &filter["requestHeaderModifier"], effects),
            "URLRewrite" => url_rewrite(&place, &filter["urlRewrite"], effects),
            "RequestMirror" => effects.mirrors(),
            // They act on the answer, or answer themselves.
            "ResponseHeaderModifier" | "RequestRedirect" | "CORS" => {}
            other => effects.anything(&place, format!("what a filter of type {other:?} does is not known")),
        }
    }
}

fn header_modifier(place: &Problem, modifier: &Value, effects: &mut Effects) {
    for (field, touch) in [("set", Touch::Set as fn(String) -> Touch), ("add", Touch::Add)] {
        for entry in list(modifier, field) {
            let name = entry["name"].as_str().unwrap_or_default();
            effects.header(place, name, constant(entry["value"].as_str(), touch));
        }
    }
    for name in list(modifier, "remove").filter_map(Value::as_str) {
        effects.header(place, name, Touch::Remove);
    }
}

/// Envoy replaces `%...%` in values: such a value is no constant.
pub fn constant(value: Option<&str>, touch: fn(String) -> Touch) -> Touch {
    match value {
        Some(value) if !value.contains('%') => touch(value.to_owned()),
        _ => Touch::Unknown,
    }
}

fn url_rewrite(place: &Problem, rewrite: &Value, effects: &mut Effects) {
    if let Some(hostname) = rewrite.get("hostname") {
        effects.authority(hostname.as_str().map_or(Touch::Unknown, |hostname| Touch::Set(hostname.to_owned())));
    }
    let Some(path) = rewrite.get("path") else { return };
    // A full path keeps the query of the request: its product starts with the path, no more.
    let product = match path["type"].as_str() {
        Some("ReplaceFullPath") => path["replaceFullPath"].as_str(),
        Some("ReplacePrefixMatch") => Some(path["replacePrefixMatch"].as_str().unwrap_or_default()),
        other => {
            return effects
                .anything(place, format!("a path rewrite of type {:?} is not known", other.unwrap_or_default()));
        }
    };
    effects.path(match product {
        Some(product) => Touch::Prefix(product.trim_end_matches('/').to_owned()),
        None => Touch::Unknown,
    });
}
