//! The kustomizations of manifests/, and what kubectl makes of them.

use std::path::{Path, PathBuf};

use kube::api::DynamicObject;
use serde_json::{Value, json};

use xtask::cluster::{ApiServer, client::documents};

pub fn install() -> PathBuf {
    manifests().join("install")
}

fn manifests() -> PathBuf {
    xtask::workspace().join("manifests")
}

/// All YAML below manifests/, without the experiment.
pub fn yaml_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&manifests(), &mut files);
    files.sort();
    files
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path == manifests().join("experiment") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

/// Folders for `kubectl apply -k`.
pub fn kustomizations() -> Vec<PathBuf> {
    let files = yaml_files().into_iter().filter(|file| file.ends_with("kustomization.yaml"));
    files.filter_map(|file| Some(file.parent()?.to_owned())).collect()
}

pub fn render(server: &ApiServer, dir: &Path) -> Vec<DynamicObject> {
    let output = server.kubectl().unwrap().arg("kustomize").arg(dir).output().unwrap();
    assert!(output.status.success(), "{}: {}", dir.display(), String::from_utf8_lossy(&output.stderr));
    documents(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

/// A pod of each template, as the controllers of these kinds make it.
pub fn pods(objects: &[DynamicObject]) -> Vec<Value> {
    objects.iter().filter_map(pod).collect()
}

fn pod(object: &DynamicObject) -> Option<Value> {
    let template = object.data.pointer("/spec/template").or(object.data.pointer("/spec/jobTemplate/spec/template"))?;
    let mut spec = template["spec"].clone();
    // A StatefulSet's claims are volumes of its pods.
    for claim in object.data["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let name = &claim["metadata"]["name"];
        let volume = json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
        spec["volumes"].as_array_mut()?.push(volume);
    }
    Some(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": format!("{}-", object.metadata.name.as_deref()?), "labels": template["metadata"]["labels"],
            "namespace": object.metadata.namespace,
        },
        "spec": spec,
    }))
}
