use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::manifest::read_str;

const GOOD: &str = include_str!("../../tests/testdata/policy.yaml");

fn load(text: &str) -> Result<Vec<Loaded>, Vec<String>> {
    let (objects, mut problems) = read_str("policy.yaml", text);
    let (policies, others) = take_policies(objects, &mut problems);
    assert!(others.is_empty());
    if problems.is_empty() { Ok(policies) } else { Err(problems.iter().map(ToString::to_string).collect()) }
}

fn spoilt(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from} is not in the good policy");
    load(&GOOD.replace(from, to)).expect_err(to)
}

#[test]
fn the_policy_of_the_design_is_read_whole() {
    let policies = load(GOOD).unwrap();
    let spec = &policies[0].policy.spec;
    assert_eq!(policies[0].object(), "WaypointPolicy hello/hello-through-waypoint");
    assert_eq!(spec.waypoint.preserves, [Preserves::Method, Preserves::Authority, Preserves::Path]);
    assert_eq!(spec.waypoint.forwarded_for, WaypointForwardedFor::Replaces);
    assert_eq!(spec.exempt.len(), 2);
    assert_eq!(spec.exempt[1].ports, [9090]);
    assert_eq!(spec.correlation[0].proxy, CorrelatedProxy::Waypoint);
}

#[test]
fn each_mistake_names_its_field_and_its_cure() {
    let rows = [
        ("waypoint:", "waypiont:", "spec.waypiont: unknown field (did you mean waypoint?)"),
        (
            "window: 10m",
            "window: 10 minutes",
            "spec.window: \"10 minutes\" is not a duration (write it like 10m, 1h30m or 500ms (units h, m, s, ms))",
        ),
        ("window: 10m", "window: 0s", "spec.window: no time at all (use a positive duration, such as 10m)"),
        ("window: 10m", "window: 10", "spec.window: must be a string, not a number (change its value)"),
        (
            "forwardedFor: Replaces",
            "forwardedFor: replaces",
            "spec.waypoint.forwardedFor: \"replaces\" is not allowed (use one of Appends, Replaces, Unknown)",
        ),
        ("ports: [9090]", "ports: [0]", "spec.exempt[1].ports[0]: 0 is not a port (use 1 to 65535)"),
        ("ports: [9090]", "ports: [90900]", "spec.exempt[1].ports[0]: 90900 is out of range (use 0 to 65535)"),
        (
            "{kubelet: {}}",
            "{}",
            "spec.exempt[0].from: says nobody (use `kubelet: {}` or `podSelector: {matchLabels: {...}}`)",
        ),
        (
            "{kubelet: {}}",
            "{kubelet: {}, podSelector: {}}",
            "spec.exempt[0].from: kubelet and a pod selector exclude each other (make two entries of it)",
        ),
        (
            "reason: liveness probes",
            "reason: ''",
            "spec.exempt[0].reason: empty (say why: it is shown wherever such requests are counted)",
        ),
        (
            "matchLabels: {app: prometheus}",
            "matchExpressions: [{key: a, operator: Is}]",
            "spec.exempt[1].from.podSelector.matchExpressions[0].operator: \"Is\" is not an operator (use In, NotIn, Exists or DoesNotExist)",
        ),
        (
            "matchLabels: {app: prometheus}",
            "matchExpressions: [{key: a, operator: In}]",
            "spec.exempt[1].from.podSelector.matchExpressions[0].values: In needs values (list them)",
        ),
        (
            "{proxy: Waypoint, header: x-order-id}",
            "{proxy: Gateway, header: X-Request-ID}",
            "spec.correlation[0].header: x-request-id cannot link requests inside a Gateway: Envoy replaces it (remove it; Gateways are linked by x-forwarded-for and traceparent)",
        ),
        (
            "header: x-order-id",
            "header: 'x order'",
            "spec.correlation[0].header: \"x order\" is not a header name (use a name such as x-order-id)",
        ),
        (
            "header: x-order-id",
            "header: Connection",
            "spec.correlation[0].header: proxies do not pass connection on unchanged (use a header that the application sets)",
        ),
        (
            "header: x-order-id",
            "header: x-forwarded-for",
            "spec.correlation[0].header: x-forwarded-for is not passed on unchanged (use spec.waypoint.forwardedFor)",
        ),
        (
            "name: hello-backend",
            "name: hello-waypoint",
            "spec.targetRefs[0]: is the waypoint itself: its requests would have to come through it twice (name the Service behind the waypoint)",
        ),
        (
            "kind: Service, name: hello-backend",
            "kind: Pod, name: hello-backend",
            "spec.targetRefs[0].kind: \"Pod\" cannot be used here (only Service is supported)",
        ),
        ("kind: Gateway, name: hello-upstream", "kind: Gateway", "spec.via[0].name: missing (this field is required)"),
        (
            "name: hello-through-waypoint",
            "name: hello-through-waypoint, labels: {a: {}}",
            "metadata.labels.a: invalid type: map, expected a string (compare with the example in the README)",
        ),
        (
            "apiVersion: waypoint-verify.dev/v1alpha1",
            "apiVersion: waypoint-verify.dev/v1",
            "apiVersion: waypoint-verify.dev/v1 is not known (use apiVersion: waypoint-verify.dev/v1alpha1)",
        ),
        (
            "kind: WaypointPolicy",
            "kind: WaypointPolice",
            "kind: WaypointPolice is no kind of waypoint-verify.dev (use kind: WaypointPolicy)",
        ),
    ];
    for (from, to, message) in rows {
        let problems = spoilt(from, to);
        assert!(problems.iter().any(|problem| problem.ends_with(message)), "{to}:\n{problems:#?}\n{message}");
        assert!(problems.iter().all(|problem| problem.starts_with("policy.yaml: Waypoint")), "{problems:?}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = GOOD
        .replace("window: 10m", "window: never")
        .replace("ports: [9090]", "ports: [0]")
        .replace("reason: liveness probes", "reason: ' '");
    assert_eq!(load(&text).unwrap_err().len(), 3);
    let text = GOOD
        .replace("window: 10m", "windows: 10m")
        .replace("forwardedFor:", "forwardedfor:")
        .replace("waypoint:", "waypoint:\n    extra: 1");
    assert_eq!(load(&text).unwrap_err().len(), 3);
}

#[test]
fn the_same_policy_twice_is_refused() {
    let problems = load(&format!("{GOOD}\n---\n{GOOD}")).unwrap_err();
    assert!(
        problems[0].contains("a policy of this name was read before, from policy.yaml (document 1)"),
        "{problems:?}"
    );
}

#[test]
fn a_policy_in_a_list_and_with_status_is_read() {
    let indented = GOOD.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n").replacen("  ", "- ", 1);
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{indented}\n  status: {{conditions: []}}\n");
    assert_eq!(load(&text).unwrap().len(), 1);
}

#[test]
fn durations() {
    for (text, millis) in [
        ("10m", Some(600_000)),
        ("1h30m", Some(5_400_000)),
        ("500ms", Some(500)),
        ("0s", Some(0)),
        ("", None),
        ("10", None),
        ("m", None),
        ("-1s", None),
        ("1.5s", None),
        ("1d", None),
        ("123456s", None),
        ("1s1s1s1s1s", None),
    ] {
        assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
    }
}

proptest! {
    #[test]
    fn a_printed_duration_reads_back(millis in 0_u64..300_000_000) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
        let _ = parse_duration(&text);
        let _ = load(&format!("apiVersion: waypoint-verify.dev/v1alpha1\nkind: WaypointPolicy\nmetadata: {{name: a}}\nspec: {text}\n"));
    }
}
