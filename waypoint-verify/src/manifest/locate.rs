//! In which line of a file an object, or a field of it, is written.

use saphyr::{LoadableYamlNode, MarkedYaml};

use super::ObjectKey;

/// Line of `field` (`spec.rules[1]`) of an object, else of the object; from 1 on. `None`: it is not in this text.
pub fn line_of(text: &str, key: &ObjectKey, field: Option<&str>) -> Option<u32> {
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let node = documents.iter().find_map(|document| find(document, key))?;
    let found = field.and_then(|field| walk(node, field)).unwrap_or(node);
    u32::try_from(found.span.start.line()).ok()
}

/// The object itself, or that of a list.
fn find<'a, 'input>(node: &'a MarkedYaml<'input>, key: &ObjectKey) -> Option<&'a MarkedYaml<'input>> {
    if let Some(items) = get(node, "items").and_then(|items| items.data.as_sequence()) {
        return items.iter().find_map(|item| find(item, key));
    }
    let text =
        |node: &MarkedYaml<'_>, name: &str| get(node, name).and_then(|value| value.data.as_str().map(str::to_owned));
    let metadata = get(node, "metadata")?;
    let group = text(node, "apiVersion")?;
    let group = group.rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = text(metadata, "namespace");
    let same = text(node, "kind").as_deref() == Some(&key.kind)
        && group == key.group
        && text(metadata, "name").as_deref() == Some(&key.name)
        // One that names none was put into the namespace that was asked for.
        && namespace.is_none_or(|namespace| namespace == key.namespace);
    same.then_some(node)
}

fn get<'a, 'input>(node: &'a MarkedYaml<'input>, name: &str) -> Option<&'a MarkedYaml<'input>> {
    let mapping = node.data.as_mapping()?;
    mapping.iter().find(|(key, _)| key.data.as_str() == Some(name)).map(|(_, value)| value)
}

/// As far as the field is there.
fn walk<'a, 'input>(node: &'a MarkedYaml<'input>, field: &str) -> Option<&'a MarkedYaml<'input>> {
    let mut found = node;
    for part in field.split('.') {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        found = get(found, name)?;
        for index in indexes.split(['[', ']']).filter(|index| !index.is_empty()) {
            found = found.data.as_sequence()?.get(index.parse::<usize>().ok()?)?;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# about\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec: {}\n---\napiVersion: g/v1\nkind: R\nmetadata: {name: a, namespace: n}\nspec:\n  rules:\n    - x: 1\n    - x: 2\n      y:\n        - 1\n        - 2\n---\napiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: p, namespace: n}\n";

    fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn objects_and_fields_have_lines() {
        let rows = [
            (key("", "Service", "default", "a"), None, Some(2)),
            (key("g", "R", "n", "a"), None, Some(8)),
            (key("g", "R", "n", "a"), Some("spec.rules[1]"), Some(14)),
            (key("g", "R", "n", "a"), Some("spec.rules[1].y[1]"), Some(17)),
            // What is not there is where its object is.
            (key("g", "R", "n", "a"), Some("spec.rules[7]"), Some(8)),
            (key("", "Pod", "n", "p"), None, Some(22)),
            (key("g", "R", "other", "a"), None, None),
            (key("", "Service", "default", "b"), None, None),
        ];
        for (key, field, expected) in rows {
            assert_eq!(line_of(TEXT, &key, field), expected, "{key} {field:?}");
        }
        assert_eq!(line_of("a: [", &key("", "Service", "", "a"), None), None);
    }
}
