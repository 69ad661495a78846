use serde_json::json;

use super::*;

fn pod(name: &str, phase: &str, ready: bool) -> Candidate {
    let status = if ready { "True" } else { "False" };
    let pod = json!({
        "metadata": {"name": name},
        "status": {"phase": phase, "conditions": [
            {"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": status},
        ]},
    });
    Candidate::of(&serde_json::from_value(pod).unwrap())
}

#[test]
fn only_a_pod_that_runs_and_is_ready_is_asked_first() {
    let pods = [
        pod("a", "Pending", false),
        pod("b", "Running", false),
        pod("c", "Succeeded", true),
        pod("d", "Running", true),
    ];
    assert_eq!(choose("wv", &pods, None).unwrap(), "d");
    let mut ending = pod("e", "Running", true);
    ending.ending = true;
    assert_eq!(choose("wv", &[ending.clone(), pod("f", "Running", true)], None).unwrap(), "f");
    let told = choose("wv", &[pod("b", "Running", false), ending], None).unwrap_err().to_string();
    assert!(
        told.starts_with("no verifier pod in namespace wv is ready: b (Running, not ready), e (Running, ending)."),
        "{told}"
    );
}

#[test]
fn without_any_pod_it_is_said_where_they_were_looked_for() {
    let told = choose("wv", &[], None).unwrap_err().to_string();
    assert!(told.contains("namespace wv") && told.contains("--verifier-namespace"), "{told}");
}

#[test]
fn after_one_that_failed_another_one_is_tried_and_all_have_their_turn() {
    let pods = [pod("b", "Running", true), pod("a", "Running", true), pod("c", "Running", true)];
    for (failed, next) in [(None, "a"), (Some("a"), "b"), (Some("b"), "c"), (Some("c"), "a"), (Some("gone"), "a")] {
        assert_eq!(choose("wv", &pods, failed).unwrap(), next, "{failed:?}");
    }
    assert_eq!(choose("wv", &pods[..1], Some("b")).unwrap(), "b", "the only one");
}

#[test]
fn who_judges_is_asked_though_it_is_not_ready_and_nothing_but_a_verifier_can_be_named() {
    let pods = [pod("a", "Running", true), pod("b", "Running", false), pod("c", "Failed", false)];
    assert_eq!(owner("wv", &pods, "a", "b").unwrap(), "b");
    for named in ["c", "d", "", "../../secrets"] {
        let told = owner("wv", &pods, "a", named).unwrap_err().to_string();
        assert!(told.contains(&format!("pod wv/a says that {named} judges")), "{told}");
    }
}
