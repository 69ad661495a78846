use super::*;
use crate::manifest::read_paths;

/// The inventory tests' cluster, with a policy that is changed by `change`.
fn picture(change: impl Fn(&str) -> String) -> Picture {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata");
    let (mut objects, problems) = read_paths([format!("{data}/cluster")]);
    assert!(problems.is_empty(), "{problems:?}");
    let policy = std::fs::read_to_string(format!("{data}/policy.yaml")).unwrap();
    let (policies, problems) = crate::manifest::read_str("policy", &change(&policy));
    assert!(problems.is_empty(), "{problems:?}");
    objects.extend(policies);
    Picture::of(objects.iter())
}

#[test]
fn a_good_policy_is_compiled_and_every_node_has_to_be_seen() {
    let picture = picture(str::to_owned);
    assert_eq!(picture.errors, []);
    let (name, policy) = picture.policies.first_key_value().unwrap();
    assert_eq!(policy.errors, []);
    assert_eq!(policy.nature(), None);
    assert!(picture.watch.policies.iter().any(|compiled| compiled.name == *name));
    let of_pods: BTreeSet<_> = picture.watch.pods.values().map(|(_, node)| node.clone()).collect();
    assert!(!of_pods.is_empty() && of_pods.is_subset(&picture.nodes), "{:?} {of_pods:?}", picture.nodes);
}

#[test]
fn a_policy_whose_target_is_missing_says_so_and_takes_no_other_with_it() {
    let picture = picture(|policy| {
        let wrong = policy.replace("kind: Service, name: hello-backend", "kind: Service, name: nobody");
        assert_ne!(wrong, policy, "the policy names its target otherwise");
        let name = policy.lines().find_map(|line| line.split("metadata: {name: ").nth(1)?.split(',').next());
        let wrong = wrong.replace(&format!("name: {}", name.unwrap()), "name: wrong");
        format!("{policy}\n---\n{wrong}")
    });
    assert_eq!(picture.policies.len(), 2);
    let wrong = picture.policies.iter().find(|(name, _)| name.name == "wrong").unwrap().1;
    assert_eq!(wrong.nature(), Some(Nature::NotFound), "{:?}", wrong.errors);
    assert_eq!(picture.watch.policies.len(), 1);
    assert!(picture.errors.is_empty(), "{:?}", picture.errors);
}

#[test]
fn a_policy_that_cannot_be_read_is_there_all_the_same() {
    let picture = picture(|policy| policy.replace("targetRefs:", "targets:"));
    let (_, policy) = picture.policies.first_key_value().unwrap();
    assert_eq!(policy.nature(), Some(Nature::Invalid));
    assert!(picture.watch.policies.is_empty());
}
