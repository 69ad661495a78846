//! Routes by chance.

use serde_json::{Map, Value, json};

use super::{HOSTS, LISTENERS, NAMESPACES, PORTS, Parent, SERVICES};
use crate::random::Random;

const GROUP: &str = "gateway.networking.k8s.io";
pub const PREFIXES: [&str; 7] = ["/", "/x", "/x/", "/x/y", "/y", "/pack.Svc", "/xx"];
pub const EXACT: [&str; 5] = ["/", "/x", "/x/y", "/x/", "/pack.Svc/Get"];
/// Of different and of equal length; each with a path that it matches (`crate::requests`).
pub const PATTERNS: [(&str, &str); 6] = [
    ("/x.*", "/xyz"),
    ("/(x|y)", "/y"),
    ("/[a-z]+", "/abc"),
    ("/x/y?", "/x/"),
    (".*", "/any"),
    ("/.+/Get", "/pack.Svc/Get"),
];
pub const HEADERS: [&str; 2] = ["x-a", "X-B"];
pub const VALUES: [&str; 2] = ["1", "two"];
pub const VALUE_PATTERNS: [(&str, &str); 2] = [("[0-9]", "1"), ("t.*", "two")];
pub const PARAMETERS: [&str; 2] = ["q", "r"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

pub fn http(random: &mut Random, name: &str, parents: &[Parent]) -> Value {
    let namespace = random.of(&NAMESPACES);
    let mut spec = spec(random, namespace, parents);
    if !random.often(5) {
        spec.insert("rules".to_owned(), (0..random.between(1, 3)).map(|_| rule(random, namespace)).collect());
    }
    object("HTTPRoute", namespace, name, spec)
}

pub fn grpc(random: &mut Random, name: &str, parents: &[Parent]) -> Value {
    let namespace = random.of(&NAMESPACES);
    let mut spec = spec(random, namespace, parents);
    let rules = (0..random.between(1, 2)).map(|_| grpc_rule(random, namespace));
    spec.insert("rules".to_owned(), rules.collect());
    object("GRPCRoute", namespace, name, spec)
}

fn grpc_rule(random: &mut Random, namespace: &str) -> Value {
    let mut rule = json!({"backendRefs": backends(random, namespace)});
    if random.often(80) {
        rule["matches"] = (0..random.between(1, 2)).map(|_| grpc_match(random)).collect();
    }
    if random.often(15) {
        rule["filters"] = json!([mirror(random, namespace)]);
    }
    rule
}

pub fn tls(random: &mut Random, name: &str, parents: &[Parent]) -> Value {
    let namespace = random.of(&NAMESPACES);
    let mut spec = spec(random, namespace, parents);
    // It has to have one.
    spec.entry("hostnames").or_insert_with(|| json!([random.of(&HOSTS)]));
    let mut backends = backends(random, namespace);
    if backends == json!([]) {
        backends = json!([reference(random, namespace)]);
    }
    spec.insert("rules".to_owned(), json!([{"backendRefs": backends}]));
    object("TLSRoute", namespace, name, spec)
}

/// A route whose parents are Services, some of them of another namespace.
pub fn of_services(random: &mut Random, name: &str) -> Value {
    let namespace = random.of(&NAMESPACES);
    let mut parent = json!({"group": "", "kind": "Service", "name": random.of(&SERVICES)});
    if random.often(15) {
        parent["namespace"] = json!(random.of(&NAMESPACES));
    }
    if random.often(70) {
        parent["port"] = json!(random.of(&[80, 80, 8080]));
    }
    let mut spec = Map::from_iter([("parentRefs".to_owned(), json!([parent]))]);
    let grpc = random.often(20);
    let rules =
        (0..random.between(1, 3)).map(|_| if grpc { grpc_rule(random, namespace) } else { rule(random, namespace) });
    spec.insert("rules".to_owned(), rules.collect());
    if random.often(20) {
        spec.insert("hostnames".to_owned(), json!([random.of(&HOSTS)]));
    }
    object(if grpc { "GRPCRoute" } else { "HTTPRoute" }, namespace, name, spec)
}

fn object(kind: &str, namespace: &str, name: &str, spec: Map<String, Value>) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec,
    })
}

/// Parents and hostnames.
fn spec(random: &mut Random, namespace: &str, parents: &[Parent]) -> Map<String, Value> {
    let mut spec = Map::new();
    let mut references: Vec<Value> = Vec::new();
    for _ in 0..random.between(1, 2) {
        let parent = &parents[random.below(parents.len())];
        let mut reference = json!({"name": parent.name});
        if parent.kind != "Gateway" {
            reference["kind"] = json!(parent.kind);
        }
        if parent.namespace != namespace {
            reference["namespace"] = json!(parent.namespace);
        }
        // Two references to one parent have to differ in their sections.
        let twice = references.iter().any(|other| other["name"] == reference["name"]);
        if twice || random.often(30) {
            reference["sectionName"] = json!(if random.often(5) { "none" } else { random.of(&LISTENERS) });
        }
        if random.often(15) {
            reference["port"] = json!(random.of(&PORTS));
        }
        if references.iter().any(|other| {
            other["name"] == reference["name"]
                && (other["sectionName"].is_null() || other["sectionName"] == reference["sectionName"])
        }) {
            continue;
        }
        references.push(reference);
    }
    spec.insert("parentRefs".to_owned(), references.into());
    if random.often(60) {
        let mut hosts = vec![random.of(&HOSTS)];
        if random.often(30) {
            let more = random.of(&HOSTS);
            if !hosts.contains(&more) {
                hosts.push(more);
            }
        }
        spec.insert("hostnames".to_owned(), json!(hosts));
    }
    spec
}

fn rule(random: &mut Random, namespace: &str) -> Value {
    let mut rule = json!({});
    if random.often(85) {
        rule["matches"] = (0..random.between(1, 2)).map(|_| http_match(random)).collect();
    }
    let mut filters = Vec::new();
    if random.often(12) {
        filters.push(redirect(random));
    } else {
        rule["backendRefs"] = backends(random, namespace);
        if random.often(12) {
            filters.push(json!({"type": "URLRewrite", "urlRewrite": {
                "hostname": "rewritten.example.com", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/rewritten"},
            }}));
        }
        for _ in 0..random.below(3) {
            if random.often(25) {
                filters.push(mirror(random, namespace));
            }
        }
    }
    if random.often(15) {
        let name = if random.often(8) { "Host" } else { "x-set" };
        filters.push(
            json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": name, "value": "v"}]}}),
        );
    }
    if !filters.is_empty() {
        rule["filters"] = filters.into();
    }
    rule
}

fn http_match(random: &mut Random) -> Value {
    let mut wanted = json!({});
    if random.often(85) {
        wanted["path"] = match random.below(10) {
            0..5 => json!({"type": "PathPrefix", "value": random.of(&PREFIXES)}),
            5..7 => json!({"type": "Exact", "value": random.of(&EXACT)}),
            7..9 => json!({"type": "RegularExpression", "value": random.of(&PATTERNS).0}),
            _ => json!({"value": random.of(&PREFIXES)}),
        };
    }
    if random.often(20) {
        wanted["method"] = json!(random.of(&METHODS));
    }
    if random.often(25) {
        wanted["headers"] = values(random, &HEADERS);
    }
    if random.often(20) {
        wanted["queryParams"] = values(random, &PARAMETERS);
    }
    wanted
}

fn grpc_match(random: &mut Random) -> Value {
    let mut wanted = json!({});
    if random.often(85) {
        let mut method = match random.below(4) {
            0 => json!({"service": "pack.Svc"}),
            1 => json!({"method": "Get"}),
            2 => json!({"service": "x", "method": "y"}),
            _ => json!({"service": "pack.Svc", "method": "Get"}),
        };
        if random.often(30) {
            method["type"] = json!(random.of(&["Exact", "RegularExpression"]));
        }
        wanted["method"] = method;
    }
    if random.often(25) {
        wanted["headers"] = values(random, &HEADERS);
    }
    wanted
}

fn values(random: &mut Random, names: &[&str]) -> Value {
    let mut names = names.to_vec();
    random.shuffle(&mut names);
    names.truncate(random.between(1, 2));
    let one = |name: &str| {
        if random.often(70) {
            json!({"name": name, "value": random.of(&VALUES)})
        } else {
            json!({"name": name, "type": "RegularExpression", "value": random.of(&VALUE_PATTERNS).0})
        }
    };
    names.into_iter().map(one).collect()
}

fn backends(random: &mut Random, namespace: &str) -> Value {
    let count = if random.often(8) { 0 } else { random.between(1, 3) };
    let one = |_| {
        let mut backend = reference(random, namespace);
        if random.often(50) {
            backend["weight"] = json!(random.of(&[0, 1, 1, 2, 3]));
        }
        backend
    };
    (0..count).map(one).collect()
}

/// A Service that may be missing, of another namespace, or without this port.
fn reference(random: &mut Random, namespace: &str) -> Value {
    let name = if random.often(6) { "none" } else { random.of(&SERVICES) };
    let mut reference = json!({"name": name, "port": random.of(&[80, 80, 80, 8080])});
    let other = random.of(&NAMESPACES);
    if random.often(35) && other != namespace {
        reference["namespace"] = json!(other);
    }
    if random.often(3) {
        reference["kind"] = json!("ConfigMap");
    }
    reference
}

fn mirror(random: &mut Random, namespace: &str) -> Value {
    let mut mirror = json!({"backendRef": reference(random, namespace)});
    match random.below(6) {
        0 => mirror["percent"] = json!(0),
        1 => mirror["fraction"] = json!({"numerator": 1, "denominator": 1000}),
        2 => mirror["percent"] = json!(100),
        _ => {}
    }
    json!({"type": "RequestMirror", "requestMirror": mirror})
}

fn redirect(random: &mut Random) -> Value {
    let mut redirect = json!({});
    if random.often(50) {
        redirect["scheme"] = json!(random.of(&["http", "https"]));
    }
    if random.often(40) {
        redirect["hostname"] = json!("elsewhere.example.com");
    }
    if random.often(30) {
        redirect["port"] = json!(8443);
    }
    if random.often(30) {
        redirect["path"] = json!({"type": "ReplaceFullPath", "replaceFullPath": "/moved"});
    }
    json!({"type": "RequestRedirect", "requestRedirect": redirect})
}
