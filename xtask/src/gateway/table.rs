//! A Gateway's route table. Its plaintext listeners share one, whatever their ports (facts I).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::objects::{HttpRoute, Match, Rule};
use super::{Backend, Gateway, Input, Translated, action, attach, generated_name};

/// A match under one host name, and what answers it.
struct Entry<'a> {
    matched: Match,
    route: &'a HttpRoute,
    rule: &'a Rule,
    backends: Vec<(Backend, u32)>,
}

pub(super) fn of_gateway(input: &Input, gateway: &Gateway) -> Translated {
    let mut attached: BTreeMap<String, usize> = gateway.listeners.iter().map(|l| (l.name.clone(), 0)).collect();
    let mut hosts: BTreeMap<String, Vec<Entry<'_>>> = BTreeMap::new();
    let mut backends = BTreeSet::new();
    for route in &input.routes {
        let listeners = attach::listeners(gateway, route);
        for listener in &listeners {
            *attached.entry(listener.name.clone()).or_default() += 1;
        }
        for hostname in attach::hostnames(&listeners, route) {
            add_route(input, route, hosts.entry(hostname).or_default());
        }
    }
    for entry in hosts.values().flatten() {
        backends.extend(entry.backends.iter().map(|(backend, _)| backend.clone()));
        backends.extend(action::mirrors(input, entry.route, entry.rule));
    }
    let virtual_hosts: Vec<_> = hosts.into_iter().map(|(name, entries)| virtual_host(input, &name, entries)).collect();
    let route_name = format!("{}/{}/listener-insecure", gateway.namespace, generated_name(&gateway.name));
    let routes = json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": route_name,
        "virtualHosts": virtual_hosts,
    });
    Translated { route_name, routes, backends, attached }
}

fn add_route<'a>(input: &Input, route: &'a HttpRoute, entries: &mut Vec<Entry<'a>>) {
    for rule in &route.spec.rules {
        let backends = action::backends(input, route, rule);
        let any = [Match::default()];
        for matched in if rule.matches.is_empty() { &any } else { rule.matches.as_slice() } {
            let equal = entries.iter_mut().find(|e| e.matched.to_envoy() == matched.to_envoy());
            match equal {
                // Two rules of one route: the first wins. Two routes: one cluster with the backends of both.
                Some(entry) if std::ptr::eq(entry.route, route) => {}
                Some(entry) => entry.backends.extend(backends.iter().cloned()),
                None => entries.push(Entry { matched: matched.clone(), route, rule, backends: backends.clone() }),
            }
        }
    }
}

/// One for each host name, without falling through to a wider one.
fn virtual_host(input: &Input, name: &str, mut entries: Vec<Entry<'_>>) -> Value {
    entries.sort_by_key(|entry| entry.matched.precedence());
    let routes: Vec<_> = entries
        .iter()
        .map(|entry| {
            let mut route = action::to_envoy(input, entry.route, entry.rule, &entry.matched.path(), &entry.backends);
            route["match"] = entry.matched.to_envoy();
            route
        })
        .collect();
    let domains = if name == "*" { vec!["*".to_owned()] } else { vec![name.to_owned(), format!("{name}:*")] };
    json!({"name": name, "domains": domains, "routes": routes})
}
