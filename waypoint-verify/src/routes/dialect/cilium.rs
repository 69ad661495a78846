//! What Cilium 1.20.2's operator makes of a Gateway's routes (operator/pkg/model/{ingestion,translation}).
//!
//! Where it depends on the order in which the API server's cache lists routes, every order counts: the cache is a Go map.

mod drafts;
pub mod ingress;
mod listeners;
mod secure;

use std::collections::BTreeMap;

use super::super::attach::{ListenerAt, lets_in, means, picks};
use super::super::hosts::computed_by_cilium;
use super::super::objects::{Item, Listener, RouteKind, RouteSpec, World};
use super::super::request::{Matcher, PathMatch, ValueMatch};
use super::super::table::{Action, Entry, Forward, Front, Speaks, Table, VirtualHost, written};
use drafts::{Draft, drafts};

type Hosts<'a> = BTreeMap<String, Vec<&'a [Draft]>>;

pub fn tables(world: &World, listeners: &[ListenerAt<'_>]) -> Vec<Table> {
    let all = listeners;
    let listeners = &*listeners::standing(all);
    let kinds = [RouteKind::Http, RouteKind::Grpc];
    // A route's rules are the same on every listener.
    let candidates = world.routes_under(listeners.iter().map(|at| at.owner));
    let drafts: Vec<Drafted<'_>> = kinds
        .into_iter()
        .flat_map(|kind| {
            candidates.iter().map(|at| (*at, &world.routes[*at])).filter(move |(_, (own, _))| *own == kind)
        })
        .filter(|(_, (kind, route))| listeners::accepted(world, all, *kind, route))
        .map(|(at, (kind, route))| (route, drafts(world, at, *kind, route)))
        .collect();

    let mut tables = Vec::new();
    for left in secure::variants(listeners) {
        let per_port = secure::needs_per_port(world, all, &left);
        let of_http = of_http(world, &left, &drafts, per_port);
        for table in of_http.into_iter().chain(secure::passthrough(world, all, &left, per_port)) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
    }
    tables.extend(l4(world, all, listeners));
    tables
}

/// What a route's rules become, by its place in `World::routes`.
type Drafted<'a> = (&'a Item<RouteSpec>, Vec<Draft>);

/// One of Cilium's Envoy.
fn table(fronts: Vec<Front>, hosts: Vec<VirtualHost>, refused: Option<String>) -> Table {
    Table { fronts, hosts, falls_through: false, wildcards_want_no_port: true, except: Vec::new(), refused }
}

fn of_http(world: &World, listeners: &[ListenerAt<'_>], routes: &[Drafted<'_>], per_port: bool) -> Vec<Table> {
    let mut by_table: BTreeMap<secure::Key, Hosts<'_>> = BTreeMap::new();
    for at in listeners.iter().filter(|at| secure::is_http(at)) {
        let table = by_table.entry(secure::key(*at, per_port)).or_default();
        for (route, drafts) in routes.iter().filter(|(route, _)| taken_in(world, *at, route)) {
            for host in served_names(listeners, at.listener, &route.value.hostnames) {
                table.entry(host).or_default().push(drafts);
            }
        }
    }
    let table = |(key, hosts): (secure::Key, Hosts<'_>)| {
        let mut refused = None;
        let hosts = hosts.into_iter().map(|(domain, drafts)| virtual_host(domain, &drafts, &mut refused)).collect();
        self::table(secure::fronts(listeners, &key, per_port), hosts, refused)
    };
    by_table.into_iter().map(table).collect()
}

/// `routeAllowedByParent` and `parentRefsMatchListener` (ingestion/gateway.go): the port is asked of any parent of the route,
/// even of another Gateway.
fn taken_in(world: &World, at: ListenerAt<'_>, route: &Item<RouteSpec>) -> bool {
    let (namespace, parents) = (&route.key.namespace, &route.value.parent_refs);
    let named = |section: &Option<String>| section.as_ref().is_none_or(|section| *section == at.listener.name);
    lets_in(world, at, namespace)
        && parents.iter().any(|parent| means(parent, at.owner, namespace) && named(&parent.section_name))
        && parents.iter().any(|parent| picks(parent, at.listener))
}

/// Names of the virtual hosts that a route becomes part of; isolation counts listeners of the protocol on every port.
fn served_names(listeners: &[ListenerAt<'_>], listener: &Listener, hostnames: &[String]) -> Vec<String> {
    let others: Vec<_> = listeners
        .iter()
        .filter(|other| other.listener.protocol == listener.protocol)
        .filter_map(|other| other.listener.hostname.as_deref())
        .collect();
    computed_by_cilium(hostnames, listener.hostname.as_deref(), &others)
}

fn virtual_host(domain: String, routes: &[&[Draft]], refused: &mut Option<String>) -> VirtualHost {
    let mut merged: Vec<Vec<&Draft>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in routes.iter().copied().flatten() {
        let place = *places.entry(&draft.key).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(same) => same.push(draft),
            None => merged.push(vec![draft]),
        }
    }
    let mut entries = Vec::with_capacity(merged.len());
    for same in &merged {
        let (entry, refusal) = entry(same);
        *refused = refused.take().or(refusal);
        entries.push((rank(&same[0].matcher), entry));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut number = 0;
    for at in 0..entries.len() {
        if at > 0 && entries[at].0 != entries[at - 1].0 {
            number += 1;
        }
        entries[at].1.rank = number;
    }
    VirtualHost { domain, entries: entries.into_iter().map(|(_, entry)| entry).collect(), any_order: false }
}

/// `SortableRoute.Less`: smaller is tried earlier.
type Rank = (std::cmp::Reverse<[usize; 3]>, bool, Option<String>, std::cmp::Reverse<[usize; 2]>);

fn rank(matcher: &Matcher) -> Rank {
    let length = written(&matcher.path);
    let lengths = match &matcher.path {
        PathMatch::Exact(_) => [length, 0, 0],
        PathMatch::Regex(_) => [0, length, 0],
        PathMatch::Prefix(_) | PathMatch::StringPrefix(_) => [0, 0, length],
    };
    let headers =
        matcher.headers.iter().filter(|(_, value)| !matches!(value, ValueMatch::NotForwardedProto(_))).count();
    (
        std::cmp::Reverse(lengths),
        matcher.method.is_none(),
        matcher.method.clone(),
        std::cmp::Reverse([headers, matcher.query.len()]),
    )
}

/// Of several with one key the backends add up; all else is the first one's, and any may be the first. With it, why Envoy
/// would not take the table: weighted clusters whose weights come to 0 (`WeightedCluster`).
fn entry(same: &[&Draft]) -> (Entry, Option<String>) {
    let backends: Vec<_> = same.iter().flat_map(|draft| draft.backends.iter().cloned()).collect();
    // With one backend its weight does not count.
    let backends = match backends.as_slice() {
        [(only, _)] => vec![(only.clone(), 1)],
        _ => backends,
    };
    let none = backends.len() > 1 && backends.iter().all(|(_, weight)| *weight == 0);
    let mut refusal = None;
    let mut actions = Vec::new();
    for (at, first) in same.iter().enumerate() {
        // Of one route its first is first.
        if same[..at].iter().any(|earlier| earlier.at.route == first.at.route) {
            continue;
        }
        let action = if let Some(redirect) = &first.redirect {
            Action::Redirect(redirect.clone())
        } else if first.backends.is_empty() {
            Action::Status(500)
        } else {
            if none {
                refusal = Some("all backends of a rule have weight 0".to_owned());
            }
            Action::Forward(Forward {
                backends: backends.clone(),
                lost: 0,
                mirrors: first.mirrors.clone(),
                rewrite: first.rewrite.clone(),
            })
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    let mut rules: Vec<_> = same.iter().map(|draft| draft.at).collect();
    rules.sort();
    rules.dedup();
    (Entry { matcher: same[0].matcher.clone(), actions, rank: 0, rules }, refusal)
}

/// TCPRoutes and UDPRoutes: a listener is the oldest route's; of unknown age each may be.
fn l4(world: &World, all: &[ListenerAt<'_>], listeners: &[ListenerAt<'_>]) -> Vec<Table> {
    let mut tables = Vec::new();
    for (protocol, kind, speaks) in [("TCP", RouteKind::Tcp, Speaks::Tcp), ("UDP", RouteKind::Udp, Speaks::Udp)] {
        for at in listeners.iter().filter(|at| at.listener.protocol == protocol) {
            let mut attached: Vec<_> = world
                .routes
                .iter()
                .enumerate()
                .filter(|(_, (own, route))| {
                    *own == kind && taken_in(world, *at, route) && listeners::accepted(world, all, kind, route)
                })
                .map(|(number, (_, route))| (number, route))
                .collect();
            attached.sort_by_key(|(_, route)| {
                (route.value.created.clone(), route.key.namespace.clone(), route.key.name.clone())
            });
            if attached.iter().all(|(_, route)| route.value.created.is_some()) {
                attached.truncate(1);
            }
            let entries = attached.iter().flat_map(|(number, route)| {
                let drafts = drafts(world, *number, kind, route);
                drafts.into_iter().map(|draft| entry(&[&draft]).0).collect::<Vec<_>>()
            });
            let hosts = vec![VirtualHost { domain: "*".into(), entries: entries.collect(), any_order: false }];
            let front = Front { port: at.listener.port, listener: at.listener.name.clone(), speaks };
            tables.push(table(vec![front], hosts, None));
        }
    }
    tables
}
