//! With programs that only write down what they are asked.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::pins::Channel;
use super::*;

/// A folder with programs of shell, and what they were called with.
struct Fakes(PathBuf);

impl Fakes {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wv-kind-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// All four, of the current pins.
    fn all() -> Self {
        let fakes = Self::new();
        for name in ["docker", "helm", "kubectl"] {
            fakes.program(name, "");
        }
        fakes.program("kind", &format!("[ \"$1\" != version ] || echo 'kind {} go1.26 linux/amd64'", current().kind));
        fakes
    }

    fn program(&self, name: &str, script: &str) -> PathBuf {
        let file = self.0.join(name);
        let log = self.0.join("log");
        fs::write(&file, format!("#!/bin/sh\necho \"{name} $*\" >>{}\n{script}\n", log.display())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn path(&self) -> OsString {
        self.0.clone().into_os_string()
    }

    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.0.join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pins_file() -> String {
    fs::read_to_string(crate::workspace().join("kind/pins.yaml")).unwrap()
}

fn current() -> Pins {
    Pins::parse(&pins_file(), "current").unwrap()
}

fn up() -> Order {
    Order::Up { pins: "current".into() }
}

#[test]
fn both_sets_of_pins_can_be_read() {
    let experiment = Pins::parse(&pins_file(), "experiment").unwrap();
    assert_eq!((experiment.kind.as_str(), experiment.cilium.as_str()), ("v0.24.0", "1.18.0-pre.0"));
    assert_eq!(experiment.gateway_api.channel, Channel::Experimental);
    assert_eq!(current().gateway_api.channel, Channel::Standard);
    assert!(current().gateway_api.manifest().ends_with("/download/v1.6.1/standard-install.yaml"));
}

#[test]
fn pins_that_say_nothing_or_too_much_are_refused() {
    let rows = [
        (pins_file(), "newest", "there is no set newest: one of current, experiment"),
        (pins_file().replace("cilium: 1.20.2", "cilium: 1.20.2\n  calico: 3"), "current", "unknown field `calico`"),
        (pins_file().replace("node:v1.37.0", "node"), "current", "current.node: docker.io/kindest/node has no tag"),
        (pins_file().replace("channel: standard", "channel: nightly"), "current", "unknown variant `nightly`"),
    ];
    for (text, set, expected) in rows {
        let error = format!("{:#}", Pins::parse(&text, set).unwrap_err());
        assert!(error.contains(expected), "{error} does not say {expected}");
    }
}

#[test]
fn every_program_that_is_missing_is_named_with_what_it_is_for() {
    let fakes = Fakes::new();
    fakes.program("kind", "");
    // A file that cannot be run is no program.
    fs::write(fakes.0.join("helm"), "").unwrap();
    let error = execute(&up(), &crate::workspace(), &fakes.path()).unwrap_err().to_string();
    for expected in ["docker runs the nodes", "helm installs Cilium", "kubectl talks to the cluster"] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!error.contains("\n  kind"), "{error}");
    assert_eq!(fakes.log(), [""; 0]);
}

#[test]
fn a_daemon_that_does_not_answer_is_told_from_a_missing_client() {
    let fakes = Fakes::all();
    fakes.program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    let error = execute(&up(), &crate::workspace(), &fakes.path()).unwrap_err().to_string();
    assert!(error.contains("its daemon does not answer: Cannot connect to the Docker daemon"), "{error}");
    assert_eq!(fakes.log(), ["docker info --format {{.ServerVersion}}"]);
}

#[test]
fn another_version_of_kind_than_the_pins_want_is_refused() {
    let fakes = Fakes::all();
    let order = Order::Up { pins: "experiment".into() };
    let error = execute(&order, &crate::workspace(), &fakes.path()).unwrap_err().to_string();
    assert!(error.contains("kind is v0.33.0, and these pins are for v0.24.0"), "{error}");
    assert!(!fakes.log().iter().any(|line| line.contains("create")));
}

/// Cilium's operator looks for Gateway API when it starts, and never again.
#[test]
fn gateway_api_is_there_before_cilium_starts() {
    let fakes = Fakes::all();
    execute(&up(), &crate::workspace(), &fakes.path()).unwrap();
    let log = fakes.log();
    let expected = [
        "docker info",
        "kind version",
        "kind create cluster --name waypoint-verify --image docker.io/kindest/node:v1.37.0 --config kind/cluster.yaml",
        "kubectl --context kind-waypoint-verify apply --server-side --filename https://github.com/kubernetes-sigs/gateway-api/",
        "helm --kube-context kind-waypoint-verify upgrade --install cilium cilium --repo https://helm.cilium.io --version 1.20.2",
        "kubectl --context kind-waypoint-verify wait node",
        "kubectl --context kind-waypoint-verify wait crd/ciliumloadbalancerippools.cilium.io",
        "kubectl --context kind-waypoint-verify apply --filename kind/address-pool.yaml",
    ];
    assert_eq!(log.len(), expected.len(), "{log:#?}");
    for (line, expected) in log.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
}

#[test]
fn the_first_step_that_fails_ends_it_and_is_shown() {
    let fakes = Fakes::all();
    fakes.program("helm", "exit 3");
    let error = execute(&up(), &crate::workspace(), &fakes.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("helm --kube-context kind-waypoint-verify upgrade") && error.ends_with("exit status: 3"),
        "{error}"
    );
    assert!(fakes.log().last().unwrap().starts_with("helm "));
}

#[test]
fn the_image_is_built_and_loaded_and_the_cluster_removed() {
    let fakes = Fakes::all();
    execute(&Order::Load, &crate::workspace(), &fakes.path()).unwrap();
    execute(&Order::Down, &crate::workspace(), &fakes.path()).unwrap();
    assert_eq!(
        fakes.log()[1..],
        [
            "docker buildx build --tag waypoint-verify:0.1.0 --load .",
            "kind load docker-image waypoint-verify:0.1.0 --name waypoint-verify",
            "kind delete cluster --name waypoint-verify",
        ]
    );
}

#[test]
fn each_bypass_is_opened_under_the_gate_s_eyes_and_closed_again() {
    let fakes = Fakes::all();
    // It has seen enough once requests were sent, and bypassing ones make it fail.
    let log = fakes.0.join("log");
    let script = format!(
        "start=$(grep -c . {log}); while ! tail -n +$start {log} | grep -q 'curl\\|wait job'; do sleep 0.01; done\n\
         [ \"$(grep -c '^gate' {log})\" -gt 1 ] && exit 1 || exit 0",
        log = log.display()
    );
    fakes.program("kubectl", "case \"$*\" in *' create token '*) echo a-token;; esac");
    let shown = fakes.0.join("shown");
    let gate = fakes.program("gate", &format!("cat >>{}\n{script}", shown.display()));
    let programs = Programs::find(&fakes.path(), &[Program::Docker, Program::Kubectl]).unwrap();
    // `tail`, `grep` and `sleep` are the machine's own.
    check::run(&programs, &fakes.0, &gate).unwrap();
    let log = fakes.log();
    let asked = "gate gate --context kind-waypoint-verify --policy hello/hello-through-waypoint --token-file /dev/stdin \
                 --min-verified 20 --timeout 120";
    assert_eq!(log.iter().filter(|line| *line == asked).count(), check::WAYS.len(), "{log:#?}");
    assert_eq!(fs::read_to_string(shown).unwrap(), "a-token\n".repeat(check::WAYS.len()));
    for bypass in check::WAYS.iter().filter_map(|way| way.bypass) {
        let last = log.iter().rfind(|line| line.ends_with(&format!("--kustomize manifests/experiment/{bypass}")));
        assert!(last.unwrap().contains("delete --ignore-not-found"), "{bypass} stays open: {log:#?}");
    }
}

#[test]
fn a_gate_that_ends_otherwise_is_named() {
    let fakes = Fakes::all();
    let gate = fakes.program("gate", "exit 3");
    let programs = Programs::find(&fakes.path(), &[Program::Docker, Program::Kubectl]).unwrap();
    let error = check::run(&programs, &fakes.0, &gate).unwrap_err().to_string();
    assert!(error.contains("compliant: the gate ended with 3, not 0"), "{error}");
    assert!(error.contains("direct: the gate ended with 3, not 1"), "{error}");
}

/// What `kind test` names is what the repository has.
#[test]
fn every_bypass_of_the_experiment_is_tried() {
    let entries = fs::read_dir(crate::workspace().join("manifests/experiment")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<_> = names.filter(|name| name.starts_with("bypass-")).collect();
    let mut tried: Vec<_> = check::WAYS.iter().filter_map(|way| way.bypass).map(str::to_owned).collect();
    folders.sort();
    tried.sort();
    assert_eq!(folders, tried);
}

/// Whoever lacks the keys is told before anything is waited for in vain.
#[test]
fn keys_that_are_missing_end_it_before_any_pod_is_waited_for() {
    let fakes = Fakes::all();
    fakes.program("kubectl", "case \"$*\" in *' get secret/'*) exit 1;; esac");
    let programs = Programs::find(&fakes.path(), &[Program::Docker, Program::Kubectl]).unwrap();
    let error = check::run(&programs, &fakes.0, &fakes.0.join("gate")).unwrap_err().to_string();
    assert!(error.contains("get secret/waypoint-verify-bus secret/waypoint-verify-bus-keys"), "{error}");
    assert!(!fakes.log().iter().any(|line| line.contains("rollout")), "{:?}", fakes.log());
}

/// `kind load` gives the nodes the image that the manifests name.
#[test]
fn the_image_is_the_one_that_the_manifests_name() {
    let read = |name: &str| -> serde_json::Value {
        serde_norway::from_str(&fs::read_to_string(crate::workspace().join(name)).unwrap()).unwrap()
    };
    let named = &read("manifests/install/kustomization.yaml")["images"][0];
    assert_eq!(image::TAG, format!("{}:{}", named["name"].as_str().unwrap(), named["newTag"].as_str().unwrap()));
}

/// kind calls its nodes by the cluster's name; Cilium has to know the API server's.
#[test]
fn cilium_is_told_the_name_of_the_node_that_kind_makes() {
    let text = fs::read_to_string(crate::workspace().join("kind/cilium-values.yaml")).unwrap();
    let values: serde_json::Value = serde_norway::from_str(&text).unwrap();
    assert_eq!(values["k8sServiceHost"], format!("{CLUSTER}-control-plane"));
}
