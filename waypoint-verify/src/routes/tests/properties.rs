//! What must hold of all sets of objects.

use proptest::prelude::*;

use super::{BASE, demand, world};
use crate::routes::{Analysis, Assumptions, Change, Path, analyze};

/// Small objects that lead to the target, the waypoint or nowhere, some by references that need grants.
fn object() -> impl Strategy<Value = String> {
    let service = (0..3u8, prop::sample::select(vec!["app: backend", "app: waypoint", "app: nobody"]), 8083..8086u16).prop_map(
        |(name, selector, port)| format!("{{apiVersion: v1, kind: Service, metadata: {{name: s{name}, namespace: hello}}, spec: {{selector: {{{selector}}}, ports: [{{port: 1, targetPort: {port}}}]}}}}"),
    );
    let grant = (0..2u8, prop::bool::ANY).prop_map(|(name, all)| {
        let to = if all { "" } else { ", name: s0" };
        format!("{{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {{name: g{name}, namespace: hello}}, spec: {{from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}}], to: [{{group: '', kind: Service{to}}}]}}}}")
    });
    let gateway = (0..2u8, 80..82u16).prop_map(|(name, port)| format!("{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: g{name}, namespace: other}}, spec: {{gatewayClassName: cilium, listeners: [{{name: x, port: {port}, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}]}}}}"));
    let backend = (0..4u8, 0..3u8).prop_map(|(name, weight)| {
        let name = if name == 3 { "backend".to_owned() } else { format!("s{name}") };
        let port = if name == "backend" { 8083 } else { 1 };
        format!("{{name: {name}, namespace: hello, port: {port}, weight: {weight}}}")
    });
    let path = prop::sample::select(vec!["/", "/a", "/a/b", "/b"]);
    let route = (0..3u8, 0..2u8, prop::sample::select(vec!["hello", "other"]), prop::collection::vec((path, prop::collection::vec(backend, 1..3)), 1..3)).prop_map(
        |(name, gateway, namespace, rules)| {
            let rules: Vec<_> = rules.into_iter().map(|(path, backends)| format!("{{matches: [{{path: {{value: {path}}}}}], backendRefs: [{}]}}", backends.join(", "))).collect();
            format!("{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: r{name}, namespace: {namespace}}}, spec: {{parentRefs: [{{name: g{gateway}, namespace: other}}], rules: [{}]}}}}", rules.join(", "))
        },
    );
    prop_oneof![service, grant, gateway, route.clone(), route]
}

/// No two of one name: which of them counts is not known.
fn objects() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(object(), 0..12).prop_map(|objects| {
        let mut names = std::collections::BTreeSet::new();
        objects.into_iter().filter(|object| names.insert(object.split("spec:").next().map(str::to_owned))).collect()
    })
}

fn of(objects: &[String]) -> Analysis {
    let texts: Vec<_> = [BASE].into_iter().chain(objects.iter().map(String::as_str)).collect();
    analyze(&world(&texts), &demand(), &Assumptions::default())
}

fn open(analysis: &Analysis) -> std::collections::BTreeSet<String> {
    analysis.paths.iter().filter(|path| path.class.is_past()).map(Path::identity).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_objects_changes_nothing((objects, seed) in (objects(), any::<u64>())) {
        let mut shuffled = objects.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let (one, other) = (of(&objects), of(&shuffled));
        let names = |analysis: &Analysis| analysis.paths.iter().map(Path::identity).collect::<Vec<_>>();
        prop_assert_eq!(names(&one), names(&other));
    }

    /// Not with weights of 0: a backend more can take the requests of one that got them as the only one left.
    #[test]
    fn grants_and_services_only_open(objects in objects()) {
        let objects: Vec<_> = objects.iter().map(|object| object.replace("weight: 0", "weight: 1")).collect();
        for kind in ["ReferenceGrant", "kind: Service,"] {
            let without: Vec<_> = objects.iter().filter(|object| !object.contains(kind)).cloned().collect();
            let (less, more) = (open(&of(&without)), open(&of(&objects)));
            prop_assert!(less.is_subset(&more), "{:?}", less.difference(&more).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_difference_is_what_is_shown((before, after) in (objects(), objects())) {
        let (base, head) = (of(&before), of(&after));
        let change = Change::between(&base, &head);
        let names = |paths: &[Path]| paths.iter().map(Path::identity).collect::<std::collections::BTreeSet<_>>();
        let (base, head) = (names(&base.paths), names(&head.paths));
        prop_assert_eq!(names(&change.opened), head.difference(&base).cloned().collect());
        prop_assert_eq!(names(&change.closed), base.difference(&head).cloned().collect());
    }

    /// What a witness promises the table keeps: it was found on it. So every witness is a request of its path's rule.
    #[test]
    fn paths_of_plain_prefixes_have_witnesses_or_are_shadowed(objects in objects()) {
        for path in of(&objects).past().filter(|path| !path.dialects.is_empty()) {
            if let Some(witness) = &path.witness {
                prop_assert!(witness.url.starts_with("http://"), "{:?}", witness);
            }
        }
    }
}
