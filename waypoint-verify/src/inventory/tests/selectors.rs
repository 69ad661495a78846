//! Label selectors, against the rules of apimachinery.

use proptest::prelude::*;

use super::*;

proptest! {
    /// k8s.io/apimachinery's rules, written down a second time.
    #[test]
    fn selectors_follow_their_requirements(
        labels in proptest::collection::btree_map("[a-c]", "[x-z]", 0..4),
        key in "[a-c]", values in proptest::collection::vec("[x-z]", 1..3), operator in 0_usize..4,
    ) {
        let name = ["In", "NotIn", "Exists", "DoesNotExist"][operator];
        let selector = serde_json::from_value(serde_json::json!({
            "matchExpressions": [{"key": key, "operator": name, "values": if operator < 2 { values.clone() } else { vec![] }}]
        })).unwrap();
        let value = labels.get(&key);
        let expected = match name {
            "In" => value.is_some_and(|value| values.contains(value)),
            "NotIn" => value.is_none_or(|value| !values.contains(value)),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        };
        prop_assert_eq!(matches(&selector, &labels), expected);
        prop_assert!(matches(&Default::default(), &labels));
    }

    #[test]
    fn match_labels_is_a_conjunction(labels in proptest::collection::btree_map("[a-c]", "[x-z]", 0..4), wanted in proptest::collection::btree_map("[a-c]", "[x-z]", 0..3)) {
        let expected = wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
        let selector = serde_json::from_value(serde_json::json!({"matchLabels": wanted.clone()})).unwrap();
        prop_assert_eq!(matches(&selector, &labels), expected);
        prop_assert_eq!(matches_labels(&wanted, &labels), expected && !wanted.is_empty());
    }
}
