use super::*;

fn keys(text: &str) -> Vec<String> {
    let (objects, problems) = read_str("f.yaml", text);
    assert_eq!(problems, [], "{text}");
    objects.iter().map(|object| object.key.to_string()).collect()
}

fn problems(text: &str) -> Vec<String> {
    read_str("f.yaml", text).1.iter().map(ToString::to_string).collect()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\n";

#[test]
fn documents_lists_and_json_are_read_alike() {
    assert_eq!(keys(POD), ["Pod n/a"]);
    assert_eq!(keys(&format!("---\n{POD}---\n# nothing\n---\n{POD}")), ["Pod n/a", "Pod n/a"]);
    assert_eq!(
        keys("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: x}}\n"),
        ["Node x"]
    );
    assert_eq!(keys("apiVersion: v1\nkind: PodList\nitems:\n- {metadata: {name: x, namespace: y}}\n"), ["Pod y/x"]);
    assert_eq!(keys(r#"{"apiVersion": "a.b/v2", "kind": "Thing", "metadata": {"name": "x"}}"#), ["Thing x"]);
    assert_eq!(keys("apiVersion: v1\nkind: List\nitems: []\n"), [""; 0]);
    assert_eq!(keys(""), [""; 0]);
}

#[test]
fn a_kind_that_ends_in_list_without_items_is_an_object() {
    assert_eq!(keys("apiVersion: x/v1\nkind: AllowList\nmetadata: {name: a}\n"), ["AllowList a"]);
}

#[test]
fn broken_yaml_names_file_line_and_column() {
    let all = problems(&format!("{POD}---\nkind: [1, 2\nmetadata: {{}}\n"));
    assert_eq!(all.len(), 1);
    assert!(all[0].starts_with("f.yaml:") && all[0].contains("not valid YAML"), "{}", all[0]);
    assert!(all[0].contains("line"), "{}", all[0]);
}

#[test]
fn all_objects_without_type_or_name_are_told_at_once() {
    let all = problems(
        "kind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Pod\n",
    );
    assert_eq!(
        all,
        [
            "f.yaml (document 1): Pod a: apiVersion: not a Kubernetes object: apiVersion is missing or not a string (add apiVersion and kind)",
            "f.yaml (document 2): object b: kind: not a Kubernetes object: kind is missing or not a string (add apiVersion and kind)",
            "f.yaml (document 3): Pod: metadata.name: missing or not a string (every object needs a name)",
        ]
    );
}

#[test]
fn a_missing_file_is_named() {
    let (_, problems) = read_path(std::path::Path::new("/nonexistent/x.yaml"));
    assert!(problems[0].to_string().starts_with("/nonexistent/x.yaml: cannot be read:"), "{}", problems[0]);
}
