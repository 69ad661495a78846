//! What Cilium 1.20.2's operator makes of Ingresses (operator/pkg/ingress, operator/pkg/model/ingestion/ingress.go).

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::objects::{IngressBackend, IngressPath, IngressSpec, Item, World};
use super::super::super::request::{Matcher, PathMatch, Pattern, ValueMatch};
use super::super::super::table::{Backend, Front, RuleAt, Speaks, Table};
use super::super::matchers::prefix;
use super::drafts::Draft;
use super::virtual_host;
use crate::model::NamespacedName;
use crate::routes::objects::Redirect;

/// The class of Cilium's own controller.
pub const CLASS: &str = "cilium";
const PREFIX: &str = "ingress.cilium.io/";
/// Older names of the same annotations.
const OLD_PREFIX: &str = "io.cilium.ingress/";

/// How the operator is set where an Ingress says nothing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// `ingress-default-lb-mode`: one load balancer for all.
    pub shared: bool,
    /// `enforce-ingress-https`: plaintext of hosts with a certificate is redirected.
    pub https: bool,
    /// `ingress-default-secret-name`: hosts whose TLS names no Secret have one.
    pub secret: bool,
}

impl Settings {
    /// Each that there is: no object says which it is.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self { shared: bits & 4 != 0, https: bits & 2 != 0, secret: bits & 1 != 0 })
    }
}

/// Whether this controller serves it. `None`: that depends on which IngressClass is the default.
pub fn is_served(ingress: &Item<IngressSpec>) -> Option<bool> {
    let annotation = ingress.meta.annotations.get("kubernetes.io/ingress.class");
    let class = annotation.or(ingress.value.ingress_class_name.as_ref()).filter(|class| !class.is_empty());
    class.map(|class| class == CLASS)
}

/// Whether it is behind the load balancer of all of them.
pub fn is_shared(ingress: &Item<IngressSpec>, settings: Settings) -> bool {
    match annotation(ingress, "loadbalancer-mode", true) {
        Some("shared") => true,
        Some("dedicated") => false,
        _ => settings.shared,
    }
}

/// A path of an Ingress's rule, by its place in [`rules`]; 0 is the default backend.
pub fn rules(ingress: &IngressSpec) -> impl Iterator<Item = (&str, &IngressPath)> {
    ingress.rules.iter().flat_map(|rule| rule.http.paths.iter().map(|path| (host_of(&rule.host), path)))
}

fn host_of(host: &str) -> &str {
    if host.is_empty() { "*" } else { host }
}

/// The tables by which requests to this Ingress go: its own ones, or those of all that share a load balancer. Entries name rules by the
/// Ingress's place in `World::ingresses` and the rule's in [`rules`], from 1 on.
pub fn tables(world: &World, ingress: &Item<IngressSpec>, settings: Settings) -> Vec<Table> {
    let is_shared = |one: &Item<IngressSpec>| is_shared(one, settings);
    let all = world.ingresses.values().enumerate();
    let mut together: Vec<_> = if is_shared(ingress) {
        all.filter(|(_, one)| is_shared(one) && is_served(one) != Some(false)).collect()
    } else {
        all.filter(|(_, one)| one.key == ingress.key).collect()
    };
    together.sort_by_key(|(_, one)| one.name().to_string());
    let (passed, ended): (Vec<_>, Vec<_>) = together.into_iter().partition(|(_, one)| passes_tls_through(one));
    let listeners: Vec<_> = ended.iter().flat_map(|(at, one)| listeners(world, *at, one, settings)).collect();
    let passed: Vec<_> = passed.iter().flat_map(|(at, one)| passthrough(world, *at, one)).collect();
    let mut tables = vec![plaintext(&listeners)];
    if listeners.iter().any(|listener| listener.is_secure()) {
        tables.push(table(Speaks::Https, &by_host(listeners.iter().filter(|listener| listener.is_secure()))));
    }
    if !passed.is_empty() {
        tables.push(table(Speaks::TlsPassthrough, &by_host(passed.iter())));
    }
    // One listener has them all: with one of them all are refused.
    let refused = listeners.iter().chain(&passed).find_map(|one| conflict(&listeners, &passed, &one.host));
    tables.iter_mut().for_each(|table| table.refused = table.refused.take().or_else(|| refused.clone()));
    tables
}

/// Why Envoy takes nothing of what these make of a host with TLS: it takes no name twice.
fn conflict(listeners: &[Listener], passed: &[Listener], host: &str) -> Option<String> {
    let secrets: BTreeSet<_> =
        listeners.iter().filter(|one| one.host == host).filter_map(|one| one.secret.as_ref()).collect();
    let passed: usize = passed.iter().filter(|one| one.host == host).map(|one| one.drafts.len()).sum();
    // Each certificate is a filter chain, and each rule that passes TLS through.
    if passed > 1 || (passed == 1 && !secrets.is_empty()) {
        return Some(format!("TLS to {host} is passed through by one rule, and taken by another one, too"));
    }
    if secrets.len() > 1 {
        return Some(format!("several Ingresses have a certificate for {host}, each another one"));
    }
    // Each is a virtual host.
    [true, false]
        .into_iter()
        .any(|secure| redirects(listeners, host, secure, true) && redirects(listeners, host, secure, false))
        .then(|| format!("{host} is redirected to HTTPS by one rule or Ingress and not by another"))
}

/// Whether some listener of this host, with TLS or without it, redirects plaintext, or does not.
fn redirects(listeners: &[Listener], host: &str, secure: bool, wanted: bool) -> bool {
    let of_host = listeners.iter().filter(|one| one.host == host && !one.drafts.is_empty());
    of_host.filter(|one| one.is_secure() == secure).any(|one| one.redirects == wanted)
}

/// `has_old`: whether it has the older name, too.
fn annotation<'a>(ingress: &'a Item<IngressSpec>, name: &str, has_old: bool) -> Option<&'a str> {
    let of = |prefix: &str| ingress.meta.annotations.get(&format!("{prefix}{name}"));
    of(PREFIX).or_else(|| of(OLD_PREFIX).filter(|_| has_old)).map(String::as_str)
}

/// As Go's `strconv.ParseBool`, and `enabled` and `disabled`.
fn switch(ingress: &Item<IngressSpec>, name: &str, has_old: bool) -> Option<bool> {
    match annotation(ingress, name, has_old)? {
        "enabled" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "disabled" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

pub fn passes_tls_through(ingress: &Item<IngressSpec>) -> bool {
    switch(ingress, "tls-passthrough", true) == Some(true)
}

/// `model.HTTPListener`: one host, without TLS or with it.
#[derive(Clone)]
struct Listener {
    host: String,
    redirects: bool,
    /// Namespace and name of the certificate with which it ends TLS; the operator's own has none.
    secret: Option<(String, String)>,
    drafts: Vec<Draft>,
}

impl Listener {
    fn is_secure(&self) -> bool {
        self.secret.is_some()
    }
}

/// `ingestion.Ingress`.
fn listeners(world: &World, at: usize, ingress: &Item<IngressSpec>, settings: Settings) -> Vec<Listener> {
    let spec = &ingress.value;
    let mut insecure: BTreeMap<&str, Listener> = BTreeMap::new();
    let listener = |host: &str| Listener { host: host.to_owned(), redirects: false, secret: None, drafts: Vec::new() };
    if let Some(backend) = &spec.default_backend {
        let drafts = draft(world, ingress, RuleAt { route: at, rule: 0 }, None, backend).into_iter().collect();
        insecure.insert("*", Listener { drafts, ..listener("*") });
    }
    for (rule, (host, path)) in rules(spec).enumerate() {
        let own = insecure.entry(host).or_insert_with(|| listener(host));
        own.drafts.extend(draft(world, ingress, RuleAt { route: at, rule: rule + 1 }, Some(path), &path.backend));
    }
    let redirects = switch(ingress, "force-https", false).unwrap_or(settings.https);
    let mut secure: BTreeMap<&str, Listener> = BTreeMap::new();
    for tls in &spec.tls {
        let own = (!tls.secret_name.is_empty()).then(|| (ingress.key.namespace.clone(), tls.secret_name.clone()));
        let named = own.or_else(|| settings.secret.then(Default::default));
        for host in tls.hosts.iter().map(String::as_str) {
            let default = insecure.get("*");
            let Some(known) = secure.get(host).or_else(|| insecure.get(host)).or(default) else { continue };
            // Where there is a listener for all hosts, that is what every host gets over TLS, and without a redirect.
            let (like, redirects) = default.map_or((known, redirects), |default| (default, false));
            // Without any certificate it is plaintext to the translation.
            let secret = named.clone().or_else(|| like.secret.clone());
            let made = Listener { host: host.to_owned(), redirects, secret, ..like.clone() };
            secure.insert(host, made);
        }
    }
    insecure.into_values().chain(secure.into_values()).collect()
}

/// `path`: `None` for the default backend, which asks for nothing.
fn draft(
    world: &World,
    ingress: &Item<IngressSpec>,
    at: RuleAt,
    path: Option<&IngressPath>,
    backend: &IngressBackend,
) -> Option<Draft> {
    // One that nobody finds is a backend without endpoints.
    let namespace = &ingress.key.namespace;
    let none = |name: &str| Backend {
        service: NamespacedName { namespace: namespace.clone(), name: name.to_owned() },
        port: 0,
    };
    let backend = match (backend_of(world, namespace, backend), &backend.service) {
        (Some(backend), _) => backend,
        (None, service) => none(&service.as_ref()?.name),
    };
    let text = path.map_or("", |path| path.path.as_str());
    let matched = match path.map(|path| path.path_type.as_str()) {
        _ if text.is_empty() => prefix(""),
        Some("Exact") => PathMatch::Exact(text.to_owned()),
        Some("ImplementationSpecific") => PathMatch::Regex(Pattern::new(text)),
        _ => prefix(text),
    };
    // As it is written: `/a` and `/a/` are two, and so are every path and nothing.
    let key = format!("{:?} {text}", path.map(|path| path.path_type.as_str()).filter(|_| !text.is_empty()));
    let matcher = Matcher { path: matched, ..Matcher::default() };
    let (redirect, mirrors, rewrite) = (None, Vec::new(), None);
    Some(Draft { matcher, key, backends: vec![(backend, 1)], redirect, mirrors, rewrite, at })
}

/// The Service's port that an Ingress's backend means.
pub fn backend_of(world: &World, namespace: &str, backend: &IngressBackend) -> Option<Backend> {
    let to = backend.service.as_ref()?;
    let name = NamespacedName { namespace: namespace.to_owned(), name: to.name.clone() };
    let named = || {
        let service = world.services.get(&name)?;
        service.value.spec.ports.iter().find(|port| Some(&port.name) == to.port.name.as_ref()).map(|port| port.port)
    };
    let port = to.port.number.or_else(named)?;
    Some(Backend { service: name, port })
}

fn by_host<'a>(listeners: impl Iterator<Item = &'a Listener>) -> BTreeMap<&'a str, Vec<&'a [Draft]>> {
    let mut hosts: BTreeMap<&str, Vec<&[Draft]>> = BTreeMap::new();
    for listener in listeners.filter(|listener| !listener.drafts.is_empty()) {
        hosts.entry(&listener.host).or_default().push(&listener.drafts);
    }
    hosts
}

/// Hosts with TLS whose plaintext is redirected are nothing but redirects there (`desiredEnvoyHTTPRouteConfiguration`).
fn plaintext(listeners: &[Listener]) -> Table {
    let redirected: Vec<Listener> = listeners
        .iter()
        .filter(|listener| listener.is_secure() && redirects(listeners, &listener.host, true, true))
        .map(|listener| {
            let mut listener = listener.clone();
            let redirect = Redirect { scheme: Some("https".to_owned()), ..Redirect::default() };
            listener.drafts.iter_mut().for_each(|draft| draft.redirect = Some(redirect.clone()));
            listener
        })
        .collect();
    let plain = listeners
        .iter()
        .filter(|listener| !listener.is_secure() && redirected.iter().all(|other| other.host != listener.host));
    table(Speaks::Http, &by_host(plain.chain(&redirected)))
}

/// Of Ingresses the order is that of their names, and no two are of one rank without one.
fn table(speaks: Speaks, hosts: &BTreeMap<&str, Vec<&[Draft]>>) -> Table {
    let mut refused = None;
    let host = |(domain, drafts): (&&str, &Vec<&[Draft]>)| {
        let mut host = virtual_host((*domain).to_owned(), drafts, &mut refused);
        // The name that a wildcard stands for has one label.
        if let Some(suffix) = domain.strip_prefix("*.").filter(|_| speaks != Speaks::TlsPassthrough) {
            let pattern = format!("[^.]+[.]{}", suffix.replace('.', "[.]"));
            for entry in &mut host.entries {
                entry.matcher.headers.push((":authority".to_owned(), ValueMatch::Regex(Pattern::new(&pattern))));
            }
        }
        for (rank, entry) in host.entries.iter_mut().enumerate() {
            entry.rank = rank;
        }
        host
    };
    let hosts = hosts.iter().map(host).collect();
    // One Envoy listener has both ports, and tells plaintext and TLS apart by what the client sends.
    let front = |port| Front { port, listener: String::new(), speaks };
    super::table(vec![front(80), front(443)], hosts, refused)
}

/// `ingestion.IngressPassthrough`: hosts with the path `/`.
fn passthrough(world: &World, at: usize, ingress: &Item<IngressSpec>) -> Vec<Listener> {
    let mut hosts: BTreeMap<&str, Listener> = BTreeMap::new();
    let whole = |(_, (host, path)): &(usize, (&str, &IngressPath))| *host != "*" && path.path == "/";
    for (rule, (host, path)) in rules(&ingress.value).enumerate().filter(whole) {
        let own = hosts.entry(host).or_insert_with(|| Listener {
            host: host.to_owned(),
            redirects: false,
            secret: None,
            drafts: Vec::new(),
        });
        own.drafts.extend(draft(world, ingress, RuleAt { route: at, rule: rule + 1 }, None, &path.backend));
    }
    hosts.into_values().collect()
}
