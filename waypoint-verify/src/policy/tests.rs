use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::manifest::read_str;

const GOOD: &str = include_str!("../../tests/testdata/policy.yaml");
/// The API server is asked about the same ones (xtask/tests/cluster_policy.rs).
const MISTAKES: &str = include_str!("../../tests/testdata/bad-policies.yaml");

const VARIANTS: &str = include_str!("../../tests/testdata/good-policies.yaml");

#[derive(Deserialize)]
struct Variant {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Mistake {
    from: String,
    to: String,
    says: String,
}

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
    let rows: Vec<Mistake> = serde_norway::from_str(MISTAKES).unwrap();
    assert!(rows.len() > 40);
    for Mistake { from, to, says } in rows {
        let problems = spoilt(&from, &to);
        assert!(problems.iter().any(|problem| problem.ends_with(&says)), "{to}:\n{problems:#?}\n{says}");
        assert!(problems.iter().all(|problem| problem.starts_with("policy.yaml: Waypoint")), "{problems:?}");
    }
}

#[test]
fn each_sound_variant_is_taken() {
    let variants: Vec<Variant> = serde_norway::from_str(VARIANTS).unwrap();
    assert!(variants.len() >= 10);
    for Variant { from, to } in variants {
        assert!(GOOD.contains(&from), "{from} is not in the good policy");
        let taken = load(&GOOD.replace(&from, &to));
        assert!(taken.is_ok(), "{to}: {taken:?}");
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
