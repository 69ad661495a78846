mod admission;
mod bad_input;
mod change;
mod cilium;
mod ingresses;
mod observed;
mod properties;
mod references;
mod spec;
mod ways;

use super::{Analysis, Assumptions, Class, Demand, Dialect, Path, Request, World, analyze, check, place};
use crate::manifest::read_str;
use crate::model::NamespacedName;

/// Target, waypoint, and the demanded path with nothing else open but what every cluster has.
pub const BASE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend, namespace: hello}
spec: {template: {metadata: {labels: {app: backend}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8084}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: hello}
spec: {selector: {app: backend}, ports: [{name: http, port: 8083, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: waypoint, namespace: hello}
spec: {template: {metadata: {labels: {app: waypoint}}, spec: {containers: [{name: c, ports: [{containerPort: 8081}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: waypoint, namespace: hello}
spec: {selector: {app: waypoint}, ports: [{port: 8080, targetPort: 8081}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: cilium}
spec: {controllerName: io.cilium/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: other}
spec: {controllerName: example.com/other}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: hello}
spec: {gatewayClassName: cilium, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: hello}
spec: {parentRefs: [{name: front}], rules: [{backendRefs: [{name: waypoint, port: 8080}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: upstream, namespace: hello}
spec: {gatewayClassName: cilium, listeners: [{name: http, port: 8082, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: upstream, namespace: hello}
spec: {parentRefs: [{name: upstream}], rules: [{backendRefs: [{name: backend, port: 8083}]}]}
";

pub fn name(text: &str) -> NamespacedName {
    let (namespace, name) = text.split_once('/').unwrap();
    NamespacedName { namespace: namespace.into(), name: name.into() }
}

pub fn demand() -> Demand {
    Demand {
        policy: "hello/policy".into(),
        targets: vec![name("hello/backend")],
        waypoint: name("hello/waypoint"),
        via: [name("hello/upstream")].into(),
        entry: Some([name("hello/front")].into()),
    }
}

pub fn world(texts: &[&str]) -> World {
    let mut objects = Vec::new();
    let mut unread = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let (more, problems) = read_str(&format!("file{at}.yaml"), text);
        objects.extend(more);
        unread.extend(problems);
    }
    objects.iter_mut().for_each(|object| place(object, "hello"));
    let mut world = World::from_objects(objects);
    world.unread.extend(unread);
    world.assume_pods_of(&[name("hello/backend"), name("hello/waypoint")]);
    world
}

/// Of the base and these objects.
pub fn analysis(more: &[&str]) -> Analysis {
    let texts: Vec<_> = [BASE].into_iter().chain(more.iter().copied()).collect();
    let world = world(&texts);
    assert_eq!(check(&world, &demand()), []);
    analyze(&world, &demand(), &Assumptions::default())
}

/// Paths of which the base has none.
pub fn added(more: &[&str]) -> Vec<Path> {
    let known: Vec<_> = analysis(&[]).paths.iter().map(Path::identity).collect();
    let mut paths = analysis(more).paths;
    paths.retain(|path| !known.contains(&path.identity()));
    paths
}

/// `class: hop > hop => ports`, for tables.
pub fn line(path: &Path) -> String {
    let class = match &path.class {
        Class::Past { kind } => format!("{kind:?}"),
        Class::Unknown { .. } => "unknown".into(),
        Class::Closed { by } => format!("closed by {by}"),
        Class::Through => "through".into(),
    };
    let hops: Vec<_> = path.hops.iter().map(|hop| hop.object.as_str()).collect();
    let mut ports: Vec<_> =
        path.reaches.iter().flat_map(|reached| &reached.ports).map(|port| format!(":{port}")).collect();
    if ports.is_empty() {
        ports.push(":any".into());
    }
    let copy = if path.mirror { " copy" } else { "" };
    format!("{class}{copy}: {} {}", hops.join(" > "), ports.join(" "))
}

pub fn lines(paths: &[Path]) -> Vec<String> {
    paths.iter().map(line).collect()
}

/// Names of Services that get a request of the Gateway `front`, on plaintext.
pub fn answers(world: &World, dialect: Dialect, gateway: &str, port: u16, request: &Request) -> Vec<String> {
    let gateway = &world.gateways[&name(gateway)];
    let listeners = super::listeners(world, gateway);
    let mut found = Vec::new();
    for table in dialect.tables(world, &listeners) {
        if table.fronts.iter().any(|front| front.port == port && super::text::scheme(front.speaks) == Some("http")) {
            found.extend(table.answer(request).backends().into_iter().map(|backend| backend.service.name.clone()));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// `METHOD http://HOST/PATH?QUERY`, and headers.
pub fn request(url: &str, headers: &[(&str, &str)]) -> Request {
    let (method, url) = url.split_once(' ').unwrap_or(("GET", url));
    let (host, target) = url.split_once('/').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    Request {
        method: method.into(),
        scheme: "http".into(),
        host: host.into(),
        path: format!("/{path}"),
        query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    }
}

#[test]
fn the_base_opens_what_every_cluster_opens_and_nothing_else() {
    assert_eq!(
        lines(&analysis(&[]).paths),
        [
            "DirectConnection: Deployment hello/backend :any",
            "DirectConnection: Service hello/backend :8084",
            "UpstreamBypass: Gateway hello/upstream > HTTPRoute hello/upstream > Service hello/backend :8084",
            "through: Gateway hello/front > HTTPRoute hello/front > Service hello/waypoint :8081",
            "through: Service hello/waypoint :8081",
        ]
    );
}
