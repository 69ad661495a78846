//! Prints the custom resource definition (`cargo xtask crd` keeps it in manifests/).

fn main() {
    print!("{}", waypoint_verify::policy::definition());
}
