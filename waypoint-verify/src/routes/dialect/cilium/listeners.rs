//! Which listeners stand, and which routes Cilium accepts for a Gateway (operator/pkg/gateway-api, 1.20.2).

use super::super::super::attach::{ListenerAt, lets_in, lists_kind, means, meets, picks};
use super::super::super::hosts::{self, computed_by_cilium};
use super::super::super::objects::{Item, Listener, RouteKind, RouteSpec, World};
use crate::inventory::ParentReference;
use crate::manifest::ObjectKey;

/// Without those that are invalid or in conflict (`status_listener.go`): of two sources the earlier keeps the port, within one
/// source both lose it.
pub fn standing<'a>(listeners: &[ListenerAt<'a>]) -> Vec<ListenerAt<'a>> {
    let mut sources: Vec<&ObjectKey> = Vec::new();
    for at in listeners {
        if !sources.contains(&at.owner) {
            sources.push(at.owner);
        }
    }
    let mut standing: Vec<ListenerAt<'a>> = Vec::new();
    for source in sources {
        let free: Vec<_> = listeners
            .iter()
            .filter(|at| at.owner == source && is_valid(at.listener))
            .filter(|at| standing.iter().all(|other| !conflict(at.listener, other.listener)))
            .copied()
            .collect();
        let alone = |at: &&ListenerAt<'_>| {
            let others = free.iter().filter(|other| !std::ptr::eq(other.listener, at.listener));
            others.into_iter().all(|other| !conflict(at.listener, other.listener))
        };
        let kept: Vec<_> = free.iter().filter(alone).copied().collect();
        standing.extend(kept);
    }
    standing
}

/// TLS that would be ended by a listener of protocol TLS is not supported, nor kinds none of which its protocol carries.
/// (Certificates that are missing make a listener invalid, too; manifests seldom have them, so that both is possible.)
fn is_valid(listener: &Listener) -> bool {
    let is_supported = match listener.protocol.as_str() {
        "HTTP" | "HTTPS" | "TCP" | "UDP" => true,
        "TLS" => listener.passes_tls_through(),
        _ => false,
    };
    let carries = |kind: &RouteKind| serves(&listener.protocol, *kind) && lists_kind(listener, *kind) != Some(false);
    is_supported && RouteKind::ALL.iter().any(carries)
}

/// `listenerPairConflict`.
fn conflict(a: &Listener, b: &Listener) -> bool {
    if a.port != b.port {
        return false;
    }
    let l4 = |listener: &Listener| matches!(listener.protocol.as_str(), "TCP" | "UDP");
    if l4(a) || l4(b) {
        return !(l4(a) && l4(b) && a.protocol != b.protocol);
    }
    let pair = |one: &Listener, other: &Listener| one.protocol == "HTTPS" && other.passes_tls_through();
    if pair(a, b) || pair(b, a) {
        return hosts::intersect(a.host(), b.host());
    }
    a.protocol == b.protocol && a.host().eq_ignore_ascii_case(b.host())
}

/// `listeners` are all of the Gateway and its ListenerSets, those that do not stand included: acceptance asks them, too.
///
/// Whether some reference of the route to a source of these listeners is accepted: each check asks for itself, so that port, name
/// and host need not be of one listener (`status_route.go`, `routechecks/gateway_checks.go`).
pub fn accepted(world: &World, listeners: &[ListenerAt<'_>], kind: RouteKind, route: &Item<RouteSpec>) -> bool {
    if kind == RouteKind::Http && sets_host(route) {
        return false;
    }
    route.value.parent_refs.iter().any(|parent| parent_accepted(world, listeners, kind, route, parent))
}

fn parent_accepted(
    world: &World,
    listeners: &[ListenerAt<'_>],
    kind: RouteKind,
    route: &Item<RouteSpec>,
    parent: &ParentReference,
) -> bool {
    let (namespace, hostnames) = (&route.key.namespace, &route.value.hostnames);
    let own: Vec<_> = listeners.iter().filter(|at| means(parent, at.owner, namespace)).copied().collect();
    let any = |check: &dyn Fn(&ListenerAt<'_>) -> bool| own.iter().any(check);
    let names: Vec<_> = own.iter().filter_map(|at| at.listener.hostname.as_deref()).collect();
    let computed = |at: &ListenerAt<'_>| computed_by_cilium(hostnames, at.listener.hostname.as_deref(), &names);
    let picked: Vec<_> = own.iter().filter(|at| picks(parent, at.listener)).copied().collect();
    let judged: Vec<_> =
        picked.iter().filter(|at| at.listener.hostname.is_none() || !computed(at).is_empty()).copied().collect();
    any(&|at| serves(&at.listener.protocol, kind))
        && (picked.is_empty() || picked.iter().any(|at| lists_kind(at.listener, kind) != Some(false)))
        && parent.port.is_none_or(|port| any(&|at| at.listener.port == port))
        && any(&|at| meets(hostnames, at.listener))
        && parent.section_name.as_ref().is_none_or(|section| any(&|at| at.listener.name == *section))
        && (judged.is_empty() || judged.iter().any(|at| lets_in(world, *at, namespace)))
}

fn serves(protocol: &str, kind: RouteKind) -> bool {
    match kind {
        RouteKind::Http | RouteKind::Grpc => matches!(protocol, "HTTP" | "HTTPS"),
        RouteKind::Tls => protocol == "TLS",
        RouteKind::Tcp => protocol == "TCP",
        RouteKind::Udp => protocol == "UDP",
    }
}

/// A filter that sets `Host`, spelled so, makes Cilium refuse the whole route (`routechecks/httproute.go`).
fn sets_host(route: &Item<RouteSpec>) -> bool {
    let filters = route.value.rules.iter().flatten().flat_map(|rule| &rule.filters);
    let modifiers = filters.filter_map(|filter| filter.request_header_modifier.as_ref());
    modifiers.flat_map(|modifier| &modifier.set).any(|header| header.name == "Host")
}
