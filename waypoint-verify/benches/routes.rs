//! Cost of `waypoint-verify routes` in a pre-commit hook: 5,000 routes and 10,000 Services, read and analysed.

use std::fmt::Write as _;

use criterion::{Criterion, criterion_group, criterion_main};
use waypoint_verify::manifest::{Object, read_str};
use waypoint_verify::model::NamespacedName;
use waypoint_verify::routes::{Assumptions, Demand, World, analyze};

const ROUTES: usize = 5_000;
const SERVICES: usize = 10_000;
const NAMESPACES: usize = 100;
const GATEWAYS: usize = 50;
/// Of the routes, this many lead to the target.
const EVERY: usize = 500;

/// One document an object, as a repository of manifests has them.
fn yaml() -> String {
    let mut text = String::new();
    let mut add = |object: std::fmt::Arguments<'_>| {
        let _ = write!(text, "---\n{object}");
    };
    add(format_args!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata:\n  name: cilium\nspec:\n  controllerName: io.cilium/gateway-controller\n"
    ));
    for at in 0..GATEWAYS {
        add(format_args!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: g{at}\n  namespace: ns{}\nspec:\n  gatewayClassName: cilium\n  listeners:\n  - name: http\n    port: 80\n    protocol: HTTP\n    allowedRoutes:\n      namespaces:\n        from: All\n",
            at % NAMESPACES
        ));
    }
    for at in 0..SERVICES {
        let namespace = at % NAMESPACES;
        add(format_args!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{at}\n  namespace: ns{namespace}\nspec:\n  selector:\n    app: s{at}\n  ports:\n  - name: http\n    port: 80\n    targetPort: 8080\n"
        ));
        if at % 10 == 0 {
            add(format_args!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: s{at}\n  namespace: ns{namespace}\nspec:\n  template:\n    metadata:\n      labels:\n        app: s{at}\n    spec:\n      containers:\n      - name: c\n        image: i\n        ports:\n        - containerPort: 8080\n"
            ));
        }
    }
    for at in 0..ROUTES {
        let service = if at % EVERY == 0 { 0 } else { at };
        let namespace = service % NAMESPACES;
        add(format_args!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: r{at}\n  namespace: ns{namespace}\nspec:\n  parentRefs:\n  - name: g{}\n    namespace: ns{}\n  hostnames:\n  - h{}.example.com\n  rules:\n  - matches:\n    - path:\n        type: PathPrefix\n        value: /r{at}\n    backendRefs:\n    - name: s{service}\n      port: 80\n",
            at % GATEWAYS,
            at % GATEWAYS % NAMESPACES,
            at % 1_000,
        ));
    }
    text
}

fn demand() -> Demand {
    let name = |name: &str| NamespacedName { namespace: "ns0".into(), name: name.into() };
    Demand {
        policy: "ns0/p".into(),
        targets: vec![name("s0")],
        waypoint: name("s100"),
        via: Default::default(),
        entry: None,
    }
}

fn routes(c: &mut Criterion) {
    let yaml = yaml();
    let objects: Vec<Object> = read_str("bench", &yaml).0;
    let items: Vec<_> = objects.iter().map(|object| object.json.as_ref().clone()).collect();
    let json = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let world = World::from_objects(objects.clone());
    let found = analyze(&world, &demand(), &Assumptions::default()).past().count();
    // Ten by routes, one by the Service, one by the pods' own address.
    assert_eq!(found, ROUTES / EVERY + 2);
    let mut group = c.benchmark_group("routes, 5,000 and 10,000 Services");
    group.sample_size(10);
    group.bench_function("read YAML", |b| b.iter(|| read_str("bench", &yaml).0.len()));
    group.bench_function("read JSON", |b| b.iter(|| read_str("bench", &json).0.len()));
    group.bench_function("understand", |b| b.iter(|| World::from_objects(objects.clone()).routes.len()));
    group.bench_function("analyse", |b| b.iter(|| analyze(&world, &demand(), &Assumptions::default()).paths.len()));
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
