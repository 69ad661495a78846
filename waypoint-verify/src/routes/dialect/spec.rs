//! What the specification says (Gateway API 1.6, comments of `HTTPRouteRule.Matches`, `HTTPBackendRef`, `Listener`).
//!
//! Where it leaves something to implementations (where a regular expression ranks), every order counts.

use std::cmp::Reverse;

use super::super::attach::{ListenerAt, attaches};
use super::super::hosts;
use super::super::objects::{Filter, Item, RouteKind, RouteSpec, Rule, World};
use super::super::request::{Matcher, PathMatch};
use super::super::table::{Action, Entry, Forward, Front, RuleAt, Speaks, Table, VirtualHost};
use super::{matchers, resolve};

/// Tables by port. Of several listeners at a port with names that meet, "listener isolation" gives a request to the most
/// specific one only; it is an extended feature, so that tables with and without it are made.
pub fn tables(world: &World, listeners: &[ListenerAt<'_>]) -> Vec<Table> {
    let mut ports: Vec<(u16, Speaks)> = listeners.iter().map(|at| (at.listener.port, speaks(at))).collect();
    ports.sort();
    ports.dedup();
    let mut tables = Vec::new();
    for port in ports {
        let at_port: Vec<_> = listeners.iter().filter(|at| (at.listener.port, speaks(at)) == port).copied().collect();
        tables.push(table(world, &at_port, Vec::new()));
        for at in &at_port {
            let narrower = at_port
                .iter()
                .map(|other| other.listener.host())
                .filter(|other| *other != at.listener.host() && hosts::meet(at.listener.host(), other) == Some(*other));
            let except: Vec<_> = narrower.map(str::to_owned).collect();
            // Without any the table of all serves this listener's names the same way, if no other's reach into them.
            if at_port.len() > 1 {
                tables.push(table(world, &[*at], except));
            }
        }
    }
    tables
}

fn speaks(at: &ListenerAt<'_>) -> Speaks {
    match at.listener.protocol.as_str() {
        "HTTPS" => Speaks::Https,
        "TLS" if at.listener.passes_tls_through() => Speaks::TlsPassthrough,
        "TLS" | "TCP" => Speaks::Tcp,
        "UDP" => Speaks::Udp,
        _ => Speaks::Http,
    }
}

fn table(world: &World, listeners: &[ListenerAt<'_>], except: Vec<String>) -> Table {
    let front =
        |at: &ListenerAt<'_>| Front { port: at.listener.port, listener: at.listener.name.clone(), speaks: speaks(at) };
    let fronts = listeners.iter().map(front).collect();
    let mut table =
        Table { fronts, hosts: Vec::new(), falls_through: true, wildcards_want_no_port: false, except, refused: None };
    for at in listeners {
        for number in world.routes_under([at.owner]) {
            let (kind, route) = &world.routes[number];
            if attaches(world, *at, *kind, route) {
                for domain in names(at.listener.host(), &route.value.hostnames) {
                    add(&mut table, domain, entries(world, number, *kind, route));
                }
            }
        }
    }
    for host in &mut table.hosts {
        sort(world, host);
    }
    table
}

fn names<'a>(listener: &'a str, route: &'a [String]) -> Vec<&'a str> {
    match route {
        [] => vec![listener],
        names => names.iter().filter_map(|name| hosts::meet(listener, name)).collect(),
    }
}

fn add(table: &mut Table, domain: &str, entries: Vec<Entry>) {
    match table.hosts.iter_mut().find(|host| host.domain == domain) {
        Some(host) => host.entries.extend(entries),
        None => table.hosts.push(VirtualHost { domain: domain.to_owned(), entries, any_order: false }),
    }
}

fn entries(world: &World, number: usize, kind: RouteKind, route: &Item<RouteSpec>) -> Vec<Entry> {
    let rules = route.value.rules_of(kind);
    rules
        .iter()
        .enumerate()
        .flat_map(|(at, rule)| {
            let action = action(world, kind, route, rule);
            matchers::of_rule(kind, rule).into_iter().map(move |matcher| Entry {
                matcher,
                actions: vec![action.clone()],
                rank: 0,
                rules: vec![RuleAt { route: number, rule: at }],
            })
        })
        .collect()
}

fn action(world: &World, kind: RouteKind, route: &Item<RouteSpec>, rule: &Rule) -> Action {
    if let Some(redirect) = rule.filters.iter().find_map(|filter| filter.request_redirect.clone()) {
        return Action::Redirect(redirect);
    }
    let resolved = |to| resolve(world, kind, route, to).backend();
    let mut forward = Forward { backends: Vec::new(), lost: 0, mirrors: Vec::new(), rewrite: None };
    for reference in &rule.backend_refs {
        match resolved(&reference.to) {
            Some(backend) => forward.backends.push((backend, reference.weight)),
            // "500 for requests that would have otherwise been routed to an invalid backend".
            None => forward.lost = forward.lost.saturating_add(reference.weight),
        }
    }
    let of_backends = rule.backend_refs.iter().flat_map(|reference| &reference.filters);
    for Filter { request_mirror, url_rewrite, .. } in rule.filters.iter().chain(of_backends) {
        forward.rewrite = url_rewrite.clone().or(forward.rewrite);
        forward.mirrors.extend(request_mirror.iter().filter_map(|mirror| {
            // Whatever is copied, however rarely.
            let none = mirror.percent == Some(0) || mirror.fraction.as_ref().is_some_and(|part| part.numerator == 0);
            resolved(&mirror.backend_ref)
                .map(|backend| (backend, u32::from(!none) * mirror.percent.unwrap_or(100).max(1)))
        }));
    }
    if forward.backends.iter().all(|(_, weight)| *weight == 0) { Action::Status(500) } else { Action::Forward(forward) }
}

/// Precedence: exact path, longest prefix, method, most headers, most parameters; then the oldest route, its name, the first rule.
fn sort(world: &World, host: &mut VirtualHost) {
    host.entries.sort_by_key(|entry| rank(&entry.matcher));
    // What a regular expression ranks among is left to implementations: with one, all may be tried in any order.
    let free = host.entries.iter().any(|entry| matches!(entry.matcher.path, PathMatch::Regex(_)));
    let mut number = 0;
    for at in 0..host.entries.len() {
        if at > 0 && !free && rank(&host.entries[at].matcher) != rank(&host.entries[at - 1].matcher) {
            number += 1;
        }
        host.entries[at].rank = number;
    }
    host.any_order = free;
    if !free {
        by_age(world, host);
    }
}

fn rank(matcher: &Matcher) -> (bool, Reverse<usize>, bool, Reverse<usize>, Reverse<usize>) {
    let length = match &matcher.path {
        PathMatch::Prefix(path) => path.len(),
        _ => 0,
    };
    (
        !matches!(matcher.path, PathMatch::Exact(_)),
        Reverse(length),
        matcher.method.is_none(),
        Reverse(matcher.headers.len()),
        Reverse(matcher.query.len()),
    )
}

/// Ties go to the oldest route, then to the first by `namespace/name`; of unknown age they stay ties.
fn by_age(world: &World, host: &mut VirtualHost) {
    let age = |entry: &Entry| {
        let route = &world.routes[entry.rules[0].route].1;
        (route.value.created.clone(), route.key.namespace.clone(), route.key.name.clone())
    };
    let mut number = 0;
    let mut entries = std::mem::take(&mut host.entries);
    for ties in entries.chunk_by_mut(|a, b| a.rank == b.rank) {
        let known = ties.iter().all(|entry| age(entry).0.is_some());
        if known {
            ties.sort_by_key(age);
        }
        for at in 0..ties.len() {
            if known && at > 0 && age(&ties[at]) != age(&ties[at - 1]) {
                number += 1;
            }
            ties[at].rank = number;
        }
        number += 1;
    }
    host.entries = entries;
}
