//! Files and directories of YAML or JSON -> objects.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{Object, ObjectKey, Problem};

/// Endings that are read inside a directory; a file named by itself is read whatever its name.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads every path (file, directory, or `-` for standard input), sorted by name within a directory.
pub fn read_paths<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> (Vec<Object>, Vec<Problem>) {
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let (more, wrong) = read_path(path.as_ref());
        objects.extend(more);
        problems.extend(wrong);
    }
    (objects, problems)
}

/// The files that [`read_path`] reads, in this order. What cannot be listed is left out: reading it says so.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, &mut files, &mut Vec::new());
    } else {
        files.push(path.to_owned());
    }
    files
}

pub fn read_path(path: &Path) -> (Vec<Object>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    if path == Path::new("-") {
        return match std::io::read_to_string(std::io::stdin()) {
            Ok(text) => read_str("standard input", &text),
            Err(error) => (Vec::new(), vec![unreadable(path, &error)]),
        };
    }
    if path.is_dir() {
        collect(path, &mut files, &mut problems);
        if files.is_empty() && problems.is_empty() {
            problems.push(
                Problem::error(
                    "no .yaml, .yml or .json file in this directory",
                    "name the directory that holds the dump",
                )
                .at(path.to_string_lossy()),
            );
        }
    } else {
        files.push(path.to_owned());
    }
    let mut objects = Vec::new();
    for file in files {
        match fs::read_to_string(&file) {
            Ok(text) => {
                let (more, wrong) = read_str(&file.to_string_lossy(), &text);
                objects.extend(more);
                problems.extend(wrong);
            }
            Err(error) => problems.push(unreadable(&file, &error)),
        }
    }
    (objects, problems)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::error(format!("cannot be read: {error}"), "check the name and its permissions").at(path.to_string_lossy())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(directory, &error)),
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files, problems);
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
        {
            files.push(path);
        }
    }
}

/// Reads a stream of YAML documents (JSON is YAML), taking lists apart. `source` names it in messages.
pub fn read_str(source: &str, text: &str) -> (Vec<Object>, Vec<Problem>) {
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    // What `kubectl get -o json` prints is read much faster as what it is; anything else is left to YAML, its messages too.
    if let Some(value) = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten() {
        take(value, &source.into(), &mut objects, &mut problems);
        return (objects, problems);
    }
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let document = Value::deserialize(document);
        let broken = document.is_err();
        documents.push(document);
        // The deserializer hands out the same error for ever.
        if broken {
            break;
        }
    }
    let several = documents.len() > 1;
    for (at, document) in documents.into_iter().enumerate() {
        let place: Arc<str> = if several { format!("{source} (document {})", at + 1).into() } else { source.into() };
        match document {
            Ok(Value::Null) => {}
            Ok(value) => take(value, &place, &mut objects, &mut problems),
            Err(error) => {
                let file = match error.location() {
                    Some(location) => format!("{source}:{}:{}", location.line(), location.column()),
                    None => source.to_owned(),
                };
                problems.push(
                    Problem::error(
                        format!("not valid YAML: {error}"),
                        "mend the syntax; what follows in this file was not read",
                    )
                    .at(file),
                );
            }
        }
    }
    (objects, problems)
}

fn take(mut value: Value, source: &Arc<str>, objects: &mut Vec<Object>, problems: &mut Vec<Problem>) {
    let api_version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if api_version.is_empty() || kind.is_empty() {
        let missing = if api_version.is_empty() { "apiVersion" } else { "kind" };
        let named = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(no name)");
        problems.push(
            Problem::error(
                format!("not a Kubernetes object: {missing} is missing or not a string"),
                "add apiVersion and kind",
            )
            .at(source)
            .of(format!("{} {named}", if kind.is_empty() { "object" } else { &kind }))
            .field(missing),
        );
        return;
    }
    if api_version.starts_with("kustomize.config.k8s.io/") {
        problems.push(
            Problem::finding(
                "a kustomization is a recipe: what it changes in the files beside it is not seen",
                "render it first (`kubectl kustomize DIR`) and read that",
            )
            .at(source)
            .of(kind),
        );
        return;
    }
    if let Some(item_kind) = kind.strip_suffix("List").filter(|_| value.get("items").is_some()) {
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
            problems.push(
                Problem::error("must be a list", "see `kubectl get -o yaml`")
                    .at(source)
                    .of(kind.clone())
                    .field("items"),
            );
            return;
        };
        for mut item in items {
            // Items of a typed list (`PodList`) do not repeat their type.
            if let (Value::Object(fields), false) = (&mut item, item_kind.is_empty()) {
                fields.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                fields.entry("kind").or_insert_with(|| item_kind.into());
            }
            take(item, source, objects, problems);
        }
        return;
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key =
        ObjectKey { group: group.into(), kind, namespace: text("/metadata/namespace"), name: text("/metadata/name") };
    if key.name.is_empty() {
        problems.push(
            Problem::error("missing or not a string", "every object needs a name")
                .at(source)
                .of(key.kind)
                .field("metadata.name"),
        );
        return;
    }
    let version = version.to_owned();
    objects.push(Object { key, version, json: Arc::new(value), source: source.clone() });
}
