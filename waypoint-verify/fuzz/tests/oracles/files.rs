//! Policies and inventories: readers that lose something, and complaints that do not say where.

use waypoint_verify::inventory::{Compiled, Inventory, compile_all};
use waypoint_verify::manifest::{Object, Problem, read_str};
use waypoint_verify_fuzz::{inventory, policy};

const POLICY: &str = include_str!("../../../tests/testdata/policy.yaml");
const CLUSTER: &str = include_str!("../../../tests/testdata/cluster/cluster.yaml");

#[test]
fn a_policy_that_lost_a_field_by_being_printed_is_caught() {
    let (policies, problems) = policy::read(POLICY);
    assert_eq!(problems, []);
    assert_eq!(policy::same(&policies[0], &policy::read(POLICY), POLICY), Ok(()));
    for (from, to) in
        [("window: 10m", "window: 11m"), ("  via:", "  status: {}\n  vias:"), ("ports: [9090]", "ports: []")]
    {
        let printed = POLICY.replace(from, to);
        assert_ne!(printed, POLICY);
        assert!(policy::same(&policies[0], &policy::read(&printed), &printed).is_err(), "{to}");
    }
}

#[test]
fn a_complaint_that_does_not_say_where_is_caught() {
    let right = Problem::error("wrong", "mend it").at("policy.yaml").of("Pod a/b").field("spec");
    assert_eq!(policy::named(std::slice::from_ref(&right)), Ok(()));
    for wrong in [
        Problem { file: None, ..right.clone() },
        Problem { file: Some("another".into()), ..right.clone() },
        Problem { object: None, ..right.clone() },
        Problem { field: None, ..right.clone() },
        Problem { what: String::new(), ..right },
    ] {
        assert!(policy::named(std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
    }
}

fn compiled(text: &str) -> (Vec<Object>, Compiled) {
    let (objects, problems) = read_str("cluster.yaml", text);
    assert_eq!(problems, []);
    let (policies, _) = policy::read(POLICY);
    let compiled = compile_all(&policies, &Inventory::from_objects(objects.clone()).0);
    (objects, compiled)
}

#[test]
fn a_watch_list_that_names_a_pod_or_proxy_of_nobody_is_caught() {
    let (objects, right) = compiled(CLUSTER);
    assert_eq!(inventory::judge(&objects, &right), Ok(()));
    let mut wrong = right.clone();
    wrong.watch.protected.insert("nobody".into());
    assert!(inventory::judge(&objects, &wrong).is_err());
    let mut wrong = right.clone();
    let spec = wrong.watch.proxies.values().next().unwrap().clone();
    wrong.watch.proxies.insert("nobody".into(), spec);
    assert!(inventory::judge(&objects, &wrong).is_err());
}

#[test]
fn a_watch_list_that_depends_on_the_order_or_on_printing_is_caught() {
    let (_, right) = compiled(CLUSTER);
    assert_eq!(inventory::same(&right, &right, "the same"), Ok(()));
    let uid = right.watch.protected.first().unwrap();
    let (_, other) = compiled(&CLUSTER.replace(uid, "another"));
    let mut fewer = right.clone();
    fewer.watch.listeners.pop_first();
    let mut complains = right.clone();
    complains.problems.push(Problem::error("wrong", ""));
    for wrong in [other, fewer, complains] {
        assert!(inventory::same(&right, &wrong, "another").is_err());
    }
}
