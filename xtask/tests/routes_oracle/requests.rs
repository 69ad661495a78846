//! Requests for a set: what its routes ask for, nearly that, and others.

use serde_json::{Value, json};

use super::generate::routes::{HEADERS, PARAMETERS, PATTERNS, VALUE_PATTERNS, VALUES};
use super::model::Request;
use super::random::Random;
use super::translate::Set;

/// Some hosts of no route, with a port, in capitals.
const OTHER_HOSTS: [&str; 6] =
    ["z.org", "a.example.com:8080", "A.Example.com", "example.com", "w.w.example.com", "x.com"];
const OTHER_PATHS: [&str; 8] = ["/", "/x/y/z", "//x", "/xy", "/X", "/x%2fy", "/y?q=1", "/x?q=two&q=1"];
const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "PUT"];

/// A match, or a rule that matches everything, and the route that it is of.
struct Wanted<'a> {
    route: &'a Value,
    of: &'a Value,
}

/// Every route, and each rule of an Ingress as if it were one.
fn routes(set: &Set) -> Vec<Value> {
    let is_route = |object: &&Value| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Route"));
    let mut routes: Vec<Value> = set.objects.iter().filter(is_route).cloned().collect();
    for ingress in set.objects.iter().filter(|object| object["kind"] == "Ingress") {
        for rule in ingress["spec"]["rules"].as_array().into_iter().flatten() {
            let matches = rule["http"]["paths"].as_array().into_iter().flatten().map(|path| {
                let kind = match path["pathType"].as_str() {
                    Some("Prefix") => "PathPrefix",
                    Some("ImplementationSpecific") => "RegularExpression",
                    _ => "Exact",
                };
                json!({"path": {"type": kind, "value": path["path"]}})
            });
            let hosts: Vec<_> = rule["host"].as_str().into_iter().collect();
            routes.push(json!({
                "kind": "HTTPRoute", "metadata": ingress["metadata"],
                "spec": {
                    "parentRefs": [{"kind": "Ingress", "name": ingress["metadata"]["name"]}], "hostnames": hosts,
                    "rules": [{"matches": matches.collect::<Vec<_>>()}],
                },
            }));
        }
    }
    routes
}

/// `count` of them.
pub fn of(set: &Set, seed: u64, count: usize) -> Vec<Request> {
    let random = &mut Random::new(seed ^ 0x5eed);
    let fronts = fronts(set);
    let routes = routes(set);
    let wanted = wanted(&routes);
    let hosts: Vec<&str> = set.objects.iter().flat_map(|object| names(&object["spec"])).collect();
    let speaks_tls = set
        .objects
        .iter()
        .flat_map(|object| object["spec"]["listeners"].as_array().into_iter().flatten())
        .any(|listener| listener["tls"].is_object())
        || set.objects.iter().any(|object| object["kind"] == "Ingress");
    let mut requests = Vec::new();
    while requests.len() < count && !fronts.is_empty() {
        let any = &fronts[random.below(fronts.len())];
        let host = if hosts.is_empty() || random.often(15) {
            random.of(&OTHER_HOSTS).to_owned()
        } else {
            concrete(random, &hosts)
        };
        let mut request = Request::get((&any.0, &any.1), any.2, &host, random.of(&OTHER_PATHS));
        if !wanted.is_empty() && random.often(90) {
            let main = &wanted[random.below(wanted.len())];
            aim(random, &mut request, main.route, &fronts);
            meet(random, &mut request, main);
            // And of another one: who wins is what this is about.
            if random.often(40) {
                let other = random.below(wanted.len());
                meet(random, &mut request, &wanted[other]);
            }
        }
        if random.often(20) {
            spoil(random, &mut request);
        }
        if speaks_tls && random.often(35) {
            let name = if hosts.is_empty() || random.often(80) { &request.host } else { &concrete(random, &hosts) };
            request.tls = Some(name.split(':').next().unwrap_or_default().to_ascii_lowercase());
        }
        requests.push(request);
    }
    requests
}

type Front = (String, String, u16);

/// The Service of all Ingresses that share one.
pub const SHARED: (&str, &str) = ("kube-system", "cilium-ingress");

/// At a Gateway that the route names as its parent, for a host that it names.
fn aim(random: &mut Random, request: &mut Request, route: &Value, fronts: &[Front]) {
    let parents = route["spec"]["parentRefs"].as_array().into_iter().flatten();
    let services: Vec<_> = parents
        .flat_map(|parent| match parent["kind"].as_str() {
            Some("Ingress") => vec![SHARED.1.to_owned(), format!("{}-{}", SHARED.1, text(&parent["name"]))],
            Some("Service") => vec![text(&parent["name"])],
            _ => vec![format!("cilium-gateway-{}", text(&parent["name"]))],
        })
        .collect();
    let near: Vec<_> = fronts.iter().filter(|front| services.contains(&front.1)).collect();
    if !near.is_empty() {
        let front = random.of(&near);
        (request.front, request.port) = ((front.0.clone(), front.1.clone()), front.2);
    }
    let hosts: Vec<&str> = names(&route["spec"]).collect();
    if !hosts.is_empty() && random.often(85) {
        request.host = concrete(random, &hosts);
    }
}

/// The Services that Cilium makes for Gateways, with the ports that listeners of the Gateway or its ListenerSets have; those of Ingresses, and
/// Services with routes of their own.
fn fronts(set: &Set) -> Vec<Front> {
    let of_kind = |kind: &'static str| set.objects.iter().filter(move |object| object["kind"] == kind);
    let mut fronts = Vec::new();
    for gateway in of_kind("Gateway") {
        let (namespace, name) = (text(&gateway["metadata"]["namespace"]), text(&gateway["metadata"]["name"]));
        let sets =
            of_kind("ListenerSet").filter(|object| object["spec"]["parentRef"]["name"] == gateway["metadata"]["name"]);
        let owners = std::iter::once(gateway).chain(sets);
        let listeners = owners.flat_map(|object| object["spec"]["listeners"].as_array().into_iter().flatten());
        let mut ports: Vec<u16> =
            listeners.filter_map(|listener| u16::try_from(listener["port"].as_u64()?).ok()).collect();
        ports.sort_unstable();
        ports.dedup();
        fronts.extend(ports.into_iter().map(|port| (namespace.clone(), format!("cilium-gateway-{name}"), port)));
    }
    for ingress in of_kind("Ingress") {
        let own =
            (text(&ingress["metadata"]["namespace"]), format!("{}-{}", SHARED.1, text(&ingress["metadata"]["name"])));
        for (namespace, name) in [own, (SHARED.0.to_owned(), SHARED.1.to_owned())] {
            fronts.extend([80, 443].map(|port| (namespace.clone(), name.clone(), port)));
        }
    }
    for route in set.objects.iter().filter(|object| object["spec"]["parentRefs"][0]["kind"] == "Service") {
        let parent = &route["spec"]["parentRefs"][0];
        let namespace =
            parent["namespace"].as_str().unwrap_or(route["metadata"]["namespace"].as_str().unwrap_or_default());
        fronts.extend([80, 8080].map(|port| (namespace.to_owned(), text(&parent["name"]), port)));
    }
    fronts
}

fn wanted(routes: &[Value]) -> Vec<Wanted<'_>> {
    let mut all = Vec::new();
    for route in routes {
        for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
            let matches = rule["matches"].as_array().into_iter().flatten();
            all.extend(matches.map(|of| Wanted { route, of }));
            if rule["matches"].is_null() {
                all.push(Wanted { route, of: &Value::Null });
            }
        }
    }
    all
}

/// Of a route, of the rules of an Ingress, or of the listeners of a Gateway or ListenerSet.
fn names(spec: &Value) -> impl Iterator<Item = &str> {
    let routes = spec["hostnames"].as_array().into_iter().flatten();
    let ingresses = spec["rules"].as_array().into_iter().flatten().map(|rule| &rule["host"]);
    let listeners = spec["listeners"].as_array().into_iter().flatten().map(|listener| &listener["hostname"]);
    routes.chain(ingresses).chain(listeners).filter_map(Value::as_str)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A name of one of them.
fn concrete(random: &mut Random, hosts: &[&str]) -> String {
    let host = random.of(hosts);
    host.strip_prefix('*').map_or_else(|| host.to_owned(), |rest| format!("{}{rest}", random.of(&["w", "w.w", "a"])))
}

/// Changes the request so that it has what a match wants.
fn meet(random: &mut Random, request: &mut Request, wanted: &Wanted<'_>) {
    let is_grpc = wanted.route["kind"] == "GRPCRoute";
    let wanted = wanted.of;
    let query = request.path.split_once('?').map(|(_, query)| query.to_owned());
    let mut path = request.path.split('?').next().unwrap_or_default().to_owned();
    if is_grpc {
        if wanted["method"].is_object() {
            let part = |field: &str| wanted["method"][field].as_str().unwrap_or("Any").to_owned();
            path = format!("/{}/{}", part("service"), part("method"));
            "POST".clone_into(&mut request.method);
        }
    } else if let Some(value) = wanted["path"]["value"].as_str() {
        path = match wanted["path"]["type"].as_str().unwrap_or("PathPrefix") {
            "Exact" => value.to_owned(),
            "RegularExpression" => {
                PATTERNS.iter().find(|(pattern, _)| *pattern == value).map_or("/", |(_, path)| path).to_owned()
            }
            _ => format!("{value}{}", random.of(&["", "", "/more", "more"])),
        };
    }
    if let Some(method) = wanted["method"].as_str() {
        method.clone_into(&mut request.method);
    }
    let value = |wanted: &Value| {
        let written = text(&wanted["value"]);
        VALUE_PATTERNS
            .iter()
            .find(|(pattern, _)| *pattern == written)
            .map_or(written.clone(), |(_, value)| (*value).to_owned())
    };
    for header in wanted["headers"].as_array().into_iter().flatten() {
        request.headers.push((text(&header["name"]), value(header)));
    }
    let mut pairs: Vec<String> = query.into_iter().collect();
    for parameter in wanted["queryParams"].as_array().into_iter().flatten() {
        pairs.push(format!("{}={}", text(&parameter["name"]), value(parameter)));
    }
    request.path = if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) };
}

/// One thing is otherwise.
fn spoil(random: &mut Random, request: &mut Request) {
    match random.below(6) {
        0 => random.of(&METHODS).clone_into(&mut request.method),
        1 => random.of(&OTHER_PATHS).clone_into(&mut request.path),
        2 => {
            request.headers.pop();
        }
        3 => request.headers.push((random.of(&HEADERS).to_owned(), random.of(&VALUES).to_owned())),
        4 => {
            let joint = if request.path.contains('?') { '&' } else { '?' };
            request.path.push_str(&format!("{joint}{}={}", random.of(&PARAMETERS), random.of(&VALUES)));
        }
        _ => request.headers.push(("x-forwarded-proto".to_owned(), random.of(&["http", "https"]).to_owned())),
    }
}
