//! The arguments in manifests/ are arguments of the programs that get them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use xtask::demo;

use crate::rendered::{kustomizations, pods, render};
use crate::start;

/// `$(NAME)` as the kubelet replaces it: only by the container's own environment, and what is not there is left as it stands.
fn expanded(argument: &str, environment: &[(String, String)]) -> String {
    environment
        .iter()
        .fold(argument.to_owned(), |argument, (name, value)| argument.replace(&format!("$({name})"), value))
}

/// Every variable is of another object: any value will do.
fn environment(container: &Value) -> Vec<(String, String)> {
    let variables = container["env"].as_array().into_iter().flatten();
    let names = variables.filter_map(|variable| variable["name"].as_str());
    names.map(|name| (name.to_owned(), name.to_lowercase().replace('_', "-"))).collect()
}

/// It has understood all of them, and misses the files that a pod mounts.
fn starts_ours(program: &Path, container: &Value) {
    let environment = environment(container);
    let arguments: Vec<_> = container["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    let mut arguments: Vec<_> = arguments.iter().map(|argument| expanded(argument, &environment)).collect();
    assert!(arguments.iter().all(|argument| !argument.contains("$(")), "{arguments:?} with {environment:?}");
    if arguments[0] == "canary" {
        // What the gate adds.
        arguments.extend(["--policy=hello/policy", "--run=run", "--self-attack"].map(str::to_owned));
    }
    let output = Command::new(program).args(&arguments).env_clear().envs(environment).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Of arguments that it does not understand it says `error:`, and how it is used.
    let complaint = said.lines().last().unwrap_or_default();
    let mounted = ["/etc/waypoint-verify/", "/var/run/secrets/waypoint-verify/"];
    let is_of_a_file =
        complaint.starts_with("waypoint-verify: ") && mounted.iter().any(|folder| complaint.contains(folder));
    assert!(is_of_a_file, "{arguments:?}: {said}");
}

/// Its own check of a configuration, with an empty one in place of the mounted one.
fn starts_nats(dir: &Path, container: &Value) {
    let environment = environment(container);
    let file = dir.join("nats.conf");
    std::fs::write(&file, "").unwrap();
    let arguments = container["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
    let arguments: Vec<_> = arguments
        .map(|argument| match argument.strip_prefix("--config=") {
            Some(_) => format!("--config={}", file.display()),
            None => expanded(argument, &environment),
        })
        .collect();
    assert!(arguments.iter().all(|argument| !argument.contains("$(")), "{arguments:?} with {environment:?}");
    let output = Command::new("nats-server").args(&arguments).arg("-t").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("configuration file"), "{arguments:?}: {said}");
}

#[test]
fn every_container_gets_arguments_that_its_program_understands() {
    if !xtask::cluster::available("every_container_gets_arguments_that_its_program_understands") {
        return;
    }
    demo::build().unwrap();
    let server = start("manifests-arguments");
    let mut seen = 0;
    for dir in kustomizations() {
        for pod in pods(&render(&server, &dir)) {
            for container in pod["spec"]["containers"].as_array().unwrap() {
                match container["image"].as_str().unwrap().split_once(':').unwrap().0 {
                    "waypoint-verify" => starts_ours(&demo::binary(), container),
                    "nats" => starts_nats(server.dir(), container),
                    other => panic!("nobody knows how to start {other}"),
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "only {seen} containers of four kustomizations");
}
