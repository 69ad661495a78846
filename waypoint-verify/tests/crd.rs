//! The custom resource definition in manifests/ is the one that the types make.

use waypoint_verify::policy::definition;

#[test]
fn the_definition_in_manifests_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/crd/waypointpolicies.yaml");
    let kept = std::fs::read_to_string(path).expect(path);
    // Not assert_eq: nobody reads two definitions in one line.
    assert!(kept == definition(), "manifests/crd/waypointpolicies.yaml is out of date: run `cargo xtask crd`");
}

#[test]
fn nothing_in_the_definition_is_a_format_that_the_server_does_not_know() {
    for format in ["uint8", "uint16", "uint32", "uint64"] {
        assert!(!definition().contains(&format!("format: {format}\n")), "{format} would be ignored, with a warning");
    }
}
