//! Label selectors, as Kubernetes evaluates them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Labels;

/// Every requirement holds; an empty selector matches everything.
/// (`NotIn` holds for a label that is not there: k8s.io/apimachinery `labels.Requirement.Matches`.)
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    exact
        && selector.match_expressions.iter().flatten().all(|expression| {
            let listed = |value: &String| expression.values.iter().flatten().any(|one| one == value);
            let value = labels.get(&expression.key);
            match expression.operator.as_str() {
                "In" => value.is_some_and(listed),
                "NotIn" => !value.is_some_and(listed),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                // Refused by validation; matching nothing exempts nobody.
                _ => false,
            }
        })
}

/// A Service's selector; an empty one selects nothing.
pub fn matches_labels(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
