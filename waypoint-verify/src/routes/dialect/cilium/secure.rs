//! Which of Cilium's Envoy listeners answers at which port, and TLS that is passed through.
//!
//! One Envoy listener serves all ports of a Gateway and tells plaintext, TLS and server names apart by what the client sends,
//! so that plaintext at the HTTPS port gets the plaintext table; unless ports have to be kept apart (`NeedsPerPortListeners`).

use std::collections::BTreeSet;

use super::super::super::attach::ListenerAt;
use super::super::super::hosts;
use super::super::super::objects::{Item, RouteKind, RouteSpec, World};
use super::super::super::table::{Front, Speaks, Table, VirtualHost};
use super::drafts::drafts;
use super::listeners::accepted;
use super::{entry, served_names, table, taken_in};

/// Which route table a listener's routes go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Insecure,
    Secure,
    SecurePort(u16),
}

pub fn key(at: ListenerAt<'_>, per_port: bool) -> Key {
    // Without any certificate it is plaintext to the translation.
    let ends_tls =
        at.listener.ends_tls() && at.listener.tls.as_ref().is_some_and(|tls| !tls.certificate_refs.is_empty());
    match (ends_tls, per_port) {
        (false, _) => Key::Insecure,
        (true, false) => Key::Secure,
        (true, true) => Key::SecurePort(at.listener.port),
    }
}

/// More listeners of TLS than these are not taken away one by one from each other.
const TRIED: usize = 3;

/// The listeners, and what may be left of them: one whose certificate is missing is left out, and manifests seldom have
/// certificates. First with all; of many, each alone is taken away.
pub fn variants<'a>(listeners: &[ListenerAt<'a>]) -> Vec<Vec<ListenerAt<'a>>> {
    let https: Vec<_> = (0..listeners.len()).filter(|at| listeners[*at].listener.ends_tls()).collect();
    let gone: Vec<Vec<usize>> = if https.len() <= TRIED {
        (0..1_u32 << https.len())
            .map(|set| https.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, at)| *at).collect())
            .collect()
    } else {
        [Vec::new(), https.clone()].into_iter().chain(https.iter().map(|at| vec![*at])).collect()
    };
    let left = |gone: Vec<usize>| {
        listeners.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, listener)| *listener).collect()
    };
    gone.into_iter().map(left).collect()
}

pub fn needs_per_port(world: &World, all: &[ListenerAt<'_>], listeners: &[ListenerAt<'_>]) -> bool {
    let https: BTreeSet<(u16, &str)> =
        listeners.iter().filter(|at| at.listener.ends_tls()).map(|at| (at.listener.port, at.listener.host())).collect();
    let tls: BTreeSet<(u16, String)> = listeners
        .iter()
        .filter(|at| at.listener.passes_tls_through())
        .flat_map(|at| {
            let names = tls_routes(world, all, *at)
                .into_iter()
                .flat_map(|(_, route)| served_names(listeners, at.listener, &route.value.hostnames));
            names.map(|name| (at.listener.port, name)).collect::<Vec<_>>()
        })
        .collect();
    let several = |ports: BTreeSet<u16>| ports.len() > 1;
    several(https.iter().map(|(port, _)| *port).collect())
        || several(listeners.iter().filter(|at| at.listener.passes_tls_through()).map(|at| at.listener.port).collect())
        || https
            .iter()
            .any(|(port, host)| tls.iter().any(|(other, name)| other != port && hosts::intersect(host, name)))
}

/// Routes of HTTP are written for it; passed-through TLS included (`case HTTP, HTTPS, TLS` of ingestion).
pub fn is_http(at: &ListenerAt<'_>) -> bool {
    matches!(at.listener.protocol.as_str(), "HTTP" | "HTTPS" | "TLS")
}

pub fn fronts(listeners: &[ListenerAt<'_>], key: &Key, per_port: bool) -> Vec<Front> {
    let speaks = if *key == Key::Insecure { Speaks::Http } else { Speaks::Https };
    let answers = |at: &&ListenerAt<'_>| match key {
        Key::Insecure => !per_port || !at.listener.ends_tls(),
        Key::Secure => true,
        Key::SecurePort(port) => at.listener.port == *port,
    };
    fronts_of(listeners.iter().filter(|at| is_http(at)).filter(answers), speaks)
}

/// One for each port.
fn fronts_of<'a>(listeners: impl Iterator<Item = &'a ListenerAt<'a>>, speaks: Speaks) -> Vec<Front> {
    let mut fronts: Vec<Front> = Vec::new();
    for at in listeners {
        match fronts.iter_mut().find(|front| front.port == at.listener.port) {
            Some(front) => {
                front.listener.push_str(", ");
                front.listener.push_str(&at.listener.name);
            }
            None => fronts.push(Front { port: at.listener.port, listener: at.listener.name.clone(), speaks }),
        }
    }
    fronts.sort();
    fronts
}

fn tls_routes<'a>(world: &'a World, all: &[ListenerAt<'_>], at: ListenerAt<'_>) -> Vec<(usize, &'a Item<RouteSpec>)> {
    let routes = world.routes.iter().enumerate().filter(|(_, (kind, _))| *kind == RouteKind::Tls);
    routes
        .map(|(number, (_, route))| (number, route))
        .filter(|(_, route)| taken_in(world, at, route) && accepted(world, all, RouteKind::Tls, route))
        .collect()
}

/// TLS that is passed through goes by the server name that the client asks for; a rule without a backend is none.
pub fn passthrough(world: &World, all: &[ListenerAt<'_>], listeners: &[ListenerAt<'_>], per_port: bool) -> Vec<Table> {
    let mut tables = Vec::new();
    for at in listeners.iter().filter(|at| at.listener.passes_tls_through()) {
        let mut hosts = Vec::new();
        for (number, route) in tls_routes(world, all, *at) {
            let drafts = drafts(world, number, RouteKind::Tls, route);
            for domain in served_names(listeners, at.listener, &route.value.hostnames) {
                let with_backends = drafts.iter().filter(|draft| !draft.backends.is_empty());
                let entries = with_backends.map(|draft| entry(&[draft]).0).collect();
                hosts.push(VirtualHost { domain, entries, any_order: false });
            }
        }
        let answering =
            listeners.iter().filter(|other| is_http(other) && (!per_port || other.listener.port == at.listener.port));
        let fronts = fronts_of(answering, Speaks::TlsPassthrough);
        // Plaintext at a port of passed-through TLS has no listener of its own then (`desiredEnvoyListenerPerPort`).
        let is_passthrough = |port: u16| {
            listeners.iter().any(|other| other.listener.passes_tls_through() && other.listener.port == port)
        };
        // With ports kept apart nothing else may be left for the listener that these routes were to be part of.
        let is_empty = per_port
            && !hosts.is_empty()
            && hosts.iter().all(|host: &VirtualHost| host.entries.is_empty())
            && listeners.iter().all(|other| other.listener.protocol != "HTTP" || is_passthrough(other.listener.port));
        let refused = is_empty.then(|| "its listener has no filter chain".to_owned());
        tables.push(table(fronts, hosts, refused));
    }
    tables
}
