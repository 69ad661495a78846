//! Which routes belong to a Gateway, for which host names, and which of their backends count.

use std::collections::BTreeSet;

use super::objects::{BackendRef, HttpRoute, ParentRef};
use super::{Backend, Gateway, Input, Listener};

/// The listeners of `gateway` that a route asks for. Route and Gateway in different namespaces: the lab's listeners allow all.
pub(super) fn listeners<'a>(gateway: &'a Gateway, route: &HttpRoute) -> Vec<&'a Listener> {
    let asked = |parent: &ParentRef, listener: &Listener| {
        parent.kind.as_deref().unwrap_or("Gateway") == "Gateway"
            && parent.name == gateway.name
            && parent.namespace.as_ref().unwrap_or(&route.metadata.namespace) == &gateway.namespace
            && parent.section_name.as_ref().is_none_or(|name| name == &listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
    };
    let wanted = |listener: &&Listener| route.spec.parent_refs.iter().any(|parent| asked(parent, listener));
    let compatible = |listener: &&Listener| !hostnames_on(listener, route).is_empty();
    gateway.listeners.iter().filter(wanted).filter(compatible).collect()
}

/// The host names under which a route is served by these listeners; `*` for any.
pub(super) fn hostnames(listeners: &[&Listener], route: &HttpRoute) -> BTreeSet<String> {
    listeners.iter().flat_map(|listener| hostnames_on(listener, route)).collect()
}

fn hostnames_on(listener: &Listener, route: &HttpRoute) -> Vec<String> {
    let of_listener = listener.hostname.as_deref().unwrap_or("*");
    if route.spec.hostnames.is_empty() {
        return vec![of_listener.to_owned()];
    }
    route.spec.hostnames.iter().filter_map(|name| intersection(of_listener, name)).collect()
}

/// The narrower of two host names, if one contains the other. A leading `*.` stands for one or more labels.
fn intersection(left: &str, right: &str) -> Option<String> {
    let contains = |wide: &str, narrow: &str| {
        wide == "*" || wide == narrow || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
    };
    if contains(left, right) { Some(right.to_owned()) } else { contains(right, left).then(|| left.to_owned()) }
}

/// The Service port that a reference names, if it exists and may be named from there.
pub(super) fn backend(input: &Input, route: &HttpRoute, reference: &BackendRef) -> Option<Backend> {
    let from = &route.metadata.namespace;
    let backend = Backend {
        namespace: reference.namespace.as_ref().unwrap_or(from).clone(),
        service: reference.name.clone(),
        port: reference.port?,
    };
    let is_service = reference.group.as_deref().unwrap_or("").is_empty()
        && reference.kind.as_deref().unwrap_or("Service") == "Service";
    let granted = &backend.namespace == from || granted(input, from, &backend);
    (is_service && granted && input.services.contains(&backend)).then_some(backend)
}

fn granted(input: &Input, from: &str, backend: &Backend) -> bool {
    input.grants.iter().filter(|grant| grant.metadata.namespace == backend.namespace).any(|grant| {
        grant
            .spec
            .from
            .iter()
            .any(|f| f.kind == "HTTPRoute" && f.group == "gateway.networking.k8s.io" && f.namespace == from)
            && grant.spec.to.iter().any(|t| {
                t.kind == "Service" && t.group.is_empty() && t.name.as_ref().is_none_or(|name| name == &backend.service)
            })
    })
}
