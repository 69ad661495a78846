use super::*;
use crate::manifest::read_str;
use crate::routes::{Assumptions, Demand, World, analyze};

const OBJECTS: &str = "
{apiVersion: v1, kind: Service, metadata: {name: t, namespace: n}, spec: {selector: {app: t}, ports: [{port: 1}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: w, namespace: n}, spec: {selector: {app: w}, ports: [{port: 1}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: n}, spec: {rules: [{host: a, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: t, port: {number: 1}}}}]}}]}}
";

fn found(more: &str) -> Analysis {
    let mut world = World::from_objects(read_str("a.yaml", &format!("{OBJECTS}{more}")).0);
    let name = |name: &str| NamespacedName { namespace: "n".into(), name: name.into() };
    let demand = Demand {
        policy: "n/p".into(),
        targets: vec![name("t")],
        waypoint: name("w"),
        via: Default::default(),
        entry: None,
    };
    world.assume_pods_of([&name("t"), &name("w")]);
    analyze(&world, &demand, &Assumptions::default())
}

fn here(hop: &Hop) -> Option<Location> {
    Some(Location { file: format!("{} {}", hop.object, hop.field.as_deref().unwrap_or("-")), line: Some(7) })
}

#[test]
fn each_way_past_is_a_violation_with_its_place_and_what_closes_it() {
    let outcome = of_routes(&[found("")], &here, Timestamp::UNIX_EPOCH);
    assert_eq!(outcome.policies()[0].verdict, PolicyVerdict::False);
    let findings = &outcome.policies()[0].findings;
    assert!(findings.iter().all(|finding| finding.rule.id == "declared/past" && finding.level == Level::Violation));
    let ingress = findings.iter().find(|finding| finding.message.contains("Ingress n/i")).unwrap();
    assert_eq!(ingress.location.as_ref().unwrap().file, "Ingress n/i spec.rules[0].http.paths[0]");
    assert_eq!(ingress.object.as_ref().unwrap().to_string(), "Ingress n/i");
    for part in ["RouteBypass: ", "; a request that takes it, from outside: curl", "; what closes it: "] {
        assert!(ingress.message.contains(part), "{}", ingress.message);
    }
}

#[test]
fn what_is_not_understood_keeps_a_policy_without_a_way_past_from_being_true() {
    let mut analysis =
        found("---\n{apiVersion: networking.k8s.io/v9, kind: Ingress, metadata: {name: j, namespace: n}}\n");
    analysis.paths.clear();
    let outcome = of_routes(&[analysis], &here, Timestamp::UNIX_EPOCH);
    assert_eq!(outcome.policies()[0].verdict, PolicyVerdict::Unknown);
    let finding = &outcome.policies()[0].findings[0];
    assert_eq!((finding.rule.id.as_ref(), finding.level), ("declared/unknown", Level::Unproven));
    assert_eq!(finding.location.as_ref().unwrap().file, "a.yaml");
}

#[test]
fn beside_what_was_seen_ways_are_risks_and_holes_are_loud() {
    let analysis = found("");
    let bypassed = [("UpstreamBypass".to_owned(), 4)].into();
    let findings = risks(&crate::routes::compare(&analysis, &bypassed), &analysis, &here);
    assert_eq!((findings[0].rule.id.as_ref(), findings[0].level), ("declared/undeclared", Level::Violation));
    assert!(findings[0].message.starts_with("4 requests were UpstreamBypass"));
    assert!(findings[1..].iter().all(|finding| finding.rule.id == "declared/unseen" && finding.level == Level::Risk));
    assert_eq!(findings.len(), 1 + analysis.past().count());
}

#[test]
fn what_came_of_a_witness_decides_how_grave_it_is() {
    let analysis = found("");
    let path = analysis.past().find(|path| path.hops[0].object == "Ingress n/i").unwrap();
    let caught = Probed::Caught { kinds: "RouteBypass".into(), requests: 1, of: 2 };
    let unclear = Probed::Unclear { why: "lost".into() };
    let rows = [
        (caught, "declared/caught", Level::Violation, "1 of 2 sent were caught as RouteBypass; what closes it: "),
        (Probed::Unseen { of: 1, status: 200 }, "declared/missed", Level::Unproven, "answered with 200"),
        (Probed::Unseen { of: 1, status: 404 }, "declared/not-taken", Level::Note, "answered with 404"),
        (Probed::Refuted { of: 1 }, "declared/not-taken", Level::Note, "had passed the waypoint"),
        (unclear, "declared/missed", Level::Unproven, "not what it was: lost"),
        (Probed::Unsent { why: "refused".into() }, "declared/not-taken", Level::Note, "nothing was sent: refused"),
    ];
    for (came, rule, level, part) in rows {
        let finding = probed(path, &came, &here);
        assert_eq!((finding.rule.id.as_ref(), finding.level), (rule, level), "{came:?}");
        assert!(finding.message.contains(part), "{}", finding.message);
        assert!(finding.message.contains("Ingress n/i") && finding.location.is_some(), "{finding}");
    }
}

#[test]
fn an_object_is_named_with_a_version_that_its_kind_has() {
    let redirect = "---\n{apiVersion: cilium.io/v2, kind: CiliumLocalRedirectPolicy, metadata: {name: l, namespace: n}, spec: {redirectFrontend: {addressMatcher: {ip: 169.254.1.1, toPorts: [{port: '80', protocol: TCP}]}}, redirectBackend: {localEndpointSelector: {matchLabels: {app: t}}, toPorts: [{port: '1', protocol: TCP}]}}}\n";
    let outcome = of_routes(&[found(redirect)], &here, Timestamp::UNIX_EPOCH);
    let versions: std::collections::BTreeSet<_> = outcome.policies()[0]
        .findings
        .iter()
        .filter_map(|finding| finding.object.as_ref())
        .map(|object| (object.kind.as_str(), object.api_version.as_str()))
        .collect();
    for expected in
        [("CiliumLocalRedirectPolicy", "cilium.io/v2"), ("Ingress", "networking.k8s.io/v1"), ("Service", "v1")]
    {
        assert!(versions.contains(&expected), "{versions:?}");
    }
}
