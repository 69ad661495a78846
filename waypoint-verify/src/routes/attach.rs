//! Listeners of a Gateway, its ListenerSets' included, and which routes may attach to them.

use super::hosts;
use super::objects::{FromNamespaces, GatewaySpec, Item, Listener, ObjectRef, RouteKind, RouteSpec, World};
use crate::inventory::{Grant, ParentReference, matches};
use crate::manifest::ObjectKey;
use crate::policy::GATEWAY_GROUP;

/// A listener, and the Gateway or ListenerSet that it is written in.
#[derive(Clone, Copy, Debug)]
pub struct ListenerAt<'a> {
    pub listener: &'a Listener,
    pub owner: &'a ObjectKey,
}

/// The Gateway's own listeners, then those of the ListenerSets that it lets in, oldest first where that is known.
pub fn listeners<'a>(world: &'a World, gateway: &'a Item<GatewaySpec>) -> Vec<ListenerAt<'a>> {
    let own = gateway.value.listeners.iter().map(|listener| ListenerAt { listener, owner: &gateway.key });
    let mut sets: Vec<_> = world
        .listener_sets
        .values()
        .filter(|set| {
            let parent = &set.value.parent_ref;
            parent.is(GATEWAY_GROUP, "Gateway")
                && parent.named_from(&set.key.namespace) == gateway.name()
                && namespace_allowed(
                    world,
                    &gateway.value.allowed_listeners.namespaces,
                    "None",
                    &gateway.key.namespace,
                    &set.key.namespace,
                )
        })
        .collect();
    sets.sort_by(|a, b| (&a.value.created, &a.key).cmp(&(&b.value.created, &b.key)));
    let of_sets = sets
        .into_iter()
        .flat_map(|set| set.value.listeners.iter().map(|listener| ListenerAt { listener, owner: &set.key }));
    own.chain(of_sets).collect()
}

/// Whether objects of a namespace are let in. A selector lets in a namespace of which no object is known: it may have the labels.
fn namespace_allowed(world: &World, allowed: &FromNamespaces, default: &str, own: &str, other: &str) -> bool {
    match allowed.from.as_deref().unwrap_or(default) {
        "All" => true,
        "Same" => own == other,
        "None" => false,
        "Selector" => {
            // Without a selector it selects nothing (`LabelSelectorAsSelector`).
            allowed.selector.is_some() && !world.namespaces.contains_key(other)
                || allowed
                    .selector
                    .as_ref()
                    .is_some_and(|selector| matches(selector, &world.labels_of_namespace(other)))
        }
        // A way that is not known may let in everybody.
        _ => true,
    }
}

/// Kinds that a listener of this protocol serves (Gateway API, `Listener.protocol`).
fn serves(protocol: &str, kind: RouteKind) -> bool {
    match protocol {
        "HTTP" | "HTTPS" => matches!(kind, RouteKind::Http | RouteKind::Grpc),
        "TLS" => matches!(kind, RouteKind::Tls | RouteKind::Tcp),
        "TCP" => kind == RouteKind::Tcp,
        "UDP" => kind == RouteKind::Udp,
        // A protocol that is not known may serve anything.
        _ => true,
    }
}

/// Whether `allowedRoutes.kinds` lists this kind; without any it says nothing.
pub fn lists_kind(listener: &Listener, kind: RouteKind) -> Option<bool> {
    let kinds = &listener.allowed_routes.kinds;
    (!kinds.is_empty()).then(|| {
        kinds.iter().any(|allowed| {
            allowed.kind == kind.name() && allowed.group.as_deref().is_none_or(|group| group == GATEWAY_GROUP)
        })
    })
}

/// Whether the listener lets in routes of this namespace.
pub fn lets_in(world: &World, at: ListenerAt<'_>, namespace: &str) -> bool {
    namespace_allowed(world, &at.listener.allowed_routes.namespaces, "Same", &at.owner.namespace, namespace)
}

/// Whether a parent reference means the Gateway or ListenerSet of this listener.
pub fn means(parent: &ParentReference, owner: &ObjectKey, route_namespace: &str) -> bool {
    parent.kind.as_deref().unwrap_or("Gateway") == owner.kind
        && parent.name == owner.name
        && parent.namespace.as_deref().unwrap_or(route_namespace) == owner.namespace
}

/// Whether a parent reference picks this listener by name and port.
pub fn picks(parent: &ParentReference, listener: &Listener) -> bool {
    parent.section_name.as_ref().is_none_or(|section| *section == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// Whether this listener serves this route as Gateway API has it.
pub fn attaches(world: &World, at: ListenerAt<'_>, kind: RouteKind, route: &Item<RouteSpec>) -> bool {
    let namespace = &route.key.namespace;
    lists_kind(at.listener, kind).unwrap_or_else(|| serves(&at.listener.protocol, kind))
        && lets_in(world, at, namespace)
        && route.value.parent_refs.iter().any(|parent| means(parent, at.owner, namespace) && picks(parent, at.listener))
        && meets(&route.value.hostnames, at.listener)
}

/// Whether some name is of route and listener.
pub fn meets(hostnames: &[String], listener: &Listener) -> bool {
    hostnames.is_empty() || hostnames.iter().any(|name| hosts::intersect(name, listener.host()))
}

/// Whether an object may refer to another (GEP-709): of its own namespace, or by a ReferenceGrant of the other's.
pub fn granted<'a>(
    grants: impl IntoIterator<Item = &'a Item<Grant>>,
    from: (&str, &str, &str),
    to: &ObjectRef,
    default_kind: &str,
) -> bool {
    let (group, kind, namespace) = from;
    let other = to.namespace.as_deref().unwrap_or(namespace);
    if other == namespace {
        return true;
    }
    let (to_group, to_kind) = (to.group.as_deref().unwrap_or_default(), to.kind.as_deref().unwrap_or(default_kind));
    grants.into_iter().any(|grant| {
        let spec = &grant.value.spec;
        grant.key.namespace == other
            && spec.from.iter().any(|from| from.group == group && from.kind == kind && from.namespace == namespace)
            && spec.to.iter().any(|allowed| {
                allowed.group == to_group
                    && allowed.kind == to_kind
                    && allowed.name.as_ref().is_none_or(|name| name.is_empty() || *name == to.name)
            })
    })
}
