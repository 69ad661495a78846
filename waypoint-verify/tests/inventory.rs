//! The sample dump and policy of `testdata`, read from disk as `run` reads them.

use std::path::{Path, PathBuf};

use waypoint_verify::inventory::{Inventory, compile};
use waypoint_verify::manifest::Problem;
use waypoint_verify::policy::read_policies;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata").join(name)
}

#[test]
fn a_directory_and_a_policy_file_become_a_watch_list() {
    let (policies, others, problems) = read_policies([testdata("policy.yaml")]);
    assert!(others.is_empty() && problems.is_empty(), "{problems:?}");
    let (inventory, problems) = Inventory::load([testdata("cluster")]);
    assert_eq!(problems, []);
    let watch = compile(&policies, &inventory).unwrap();
    assert_eq!((watch.policies.len(), watch.protected.len(), watch.proxies.len()), (1, 2, 4));
    assert!(watch.findings.is_empty(), "{:?}", watch.findings);
}

/// Every file is read to its end, and each of them reported, before anything is said.
#[test]
fn problems_of_several_files_come_together() {
    let directory = std::env::temp_dir().join(format!("wv-inventory-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("a.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\n").unwrap();
    std::fs::write(directory.join("b.yaml"), "kind: [1,\n").unwrap();
    std::fs::write(
        directory.join("c.json"),
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": 1}}"#,
    )
    .unwrap();
    std::fs::write(directory.join("notes.txt"), "not read").unwrap();
    let (_, problems) = Inventory::load([&directory]);
    std::fs::remove_dir_all(&directory).unwrap();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(problems.iter().all(Problem::is_error));
    for (file, what) in
        [("a.yaml", "metadata.uid: missing"), ("b.yaml:", "not valid YAML"), ("c.json", "spec.ports: invalid type")]
    {
        assert!(said.iter().any(|one| one.contains(file) && one.contains(what)), "{file}: {said:#?}");
    }
}

#[test]
fn an_empty_directory_is_said() {
    let directory = std::env::temp_dir().join(format!("wv-inventory-empty-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (_, problems) = Inventory::load([&directory]);
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(problems[0].to_string().contains("no .yaml, .yml or .json file in this directory"), "{problems:?}");
}
