//! The custom resource definition, as a file for `kubectl apply`.

use kube::CustomResourceExt as _;

use super::WaypointPolicy;

const ABOUT: &str = "# Made by `cargo xtask crd` from waypoint-verify/src/policy.rs: change it there.\n";

/// # Panics
/// Never: a definition has a form in YAML.
pub fn definition() -> String {
    format!("{ABOUT}{}", serde_norway::to_string(&WaypointPolicy::crd()).expect("a definition has a form in YAML"))
}
