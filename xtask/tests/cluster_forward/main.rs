//! The gate's way to the verifier by the API server's port-forward: the real gate, a real API server, two real verifiers, and in between
//! the lab's kubelet, which can be cut off.
//!
//! No agent runs, so the gate passes nothing: what is looked at is whom it gets to, and what it says where it does not.

mod rights;
mod ways;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use xtask::cluster::installation::{NAMESPACE, reachable_pod};
use xtask::cluster::{ApiServer, Installation, Kubelet, available};
use xtask::demo;
use xtask::lab::relay::Relay;
use xtask::setup::{CILIUM, GATEWAY_API};

const POLICY: &str = "hello/hello-through-waypoint";
const NODE: &str = "node-1";
const OWNER: &str = "verifier-1";
const STANDBY: &str = "verifier-2";

struct Stage {
    server: ApiServer,
    installation: Installation,
    kubelet: Kubelet,
    /// Between the API server and the kubelet.
    relay: Relay,
    /// A ServiceAccount with what docs/operations.md gives it, and nothing else.
    pipeline: PathBuf,
}

impl Stage {
    fn up() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forward");
        let _ = std::fs::remove_dir_all(&dir);
        let server = ApiServer::start(&dir).unwrap();
        // Without these a verifier is not ready.
        server.define(&GATEWAY_API).unwrap();
        server.define(&CILIUM).unwrap();
        let mut installation = Installation::without_agents(&server).unwrap();
        let client = server.client();
        client.namespace("hello").unwrap();
        client.node(NODE, &["172.18.0.2"]).unwrap();
        client.apply_file(&xtask::workspace().join("manifests/experiment/policy.yaml")).unwrap();
        let kubelet = Kubelet::start(server.dir()).unwrap();
        let relay = Relay::start(([127, 0, 0, 1], kubelet.port).into()).unwrap();
        client.kubelet(NODE, relay.port).unwrap();
        for number in [1, 2] {
            installation.add_verifier().unwrap();
            let verifier = installation.verifier(number).unwrap();
            reachable_pod(&server, &kubelet, verifier.identity(), NODE, verifier.address()).unwrap();
        }
        documented(&server);
        let pipeline = server.kubeconfig_of("hello", "pipeline").unwrap();
        Self { server, installation, kubelet, relay, pipeline }
    }

    fn gate(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(demo::binary());
        command.args(["gate", "--policy", POLICY, "--kubeconfig"]).arg(kubeconfig).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// What a gate comes to: at once where it has got to the verifier that judges, and after a little time where it has not.
    fn outcome(&self, kubeconfig: &Path, arguments: &[&str]) -> Outcome {
        let mut command = self.gate(kubeconfig, &["--output", "json", "--timeout", "4"]);
        let mut gate = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(gate.stdout.take().unwrap()).lines();
        let (mut counted, mut found) = (false, Value::Null);
        for line in lines.map(Result::unwrap) {
            found = serde_json::from_str(&line).unwrap();
            if found["type"] == "ready" {
                counted = true;
                kill(Pid::from_raw(i32::try_from(gate.id()).unwrap()), Signal::SIGINT).unwrap();
            }
        }
        let output = gate.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        Outcome { code: output.status.code().unwrap(), counted, found, said }
    }
}

#[derive(Debug)]
struct Outcome {
    code: i32,
    /// It got to the verifier that judges.
    counted: bool,
    found: Value,
    said: String,
}

impl Outcome {
    /// It got there, and what it heard is that no node is covered.
    fn is_an_answer(&self) {
        assert!(self.code == 3 && self.counted && self.found["why"].is_null(), "{self:?}");
        assert_eq!(self.found["covered"], false, "{self:?}");
    }

    /// It never got there, and all of this is in why.
    fn is_no_answer(&self, why: &[&str]) {
        assert!(self.code == 3 && !self.counted, "{self:?}");
        let told = self.found["why"].as_str().unwrap();
        assert!(why.iter().all(|part| told.contains(part)), "{told}");
    }

    /// It did not even try for long.
    fn is_refused(&self, said: &[&str]) {
        assert!(self.code == 2 && !self.counted, "{self:?}");
        assert!(said.iter().all(|part| self.said.contains(part)), "{}", self.said);
    }
}

/// The commands of docs/operations.md, as they stand there.
fn documented(server: &ApiServer) {
    let docs = std::fs::read_to_string(xtask::workspace().join("docs/operations.md")).unwrap();
    let (_, rest) = docs.split_once("<!-- pipeline:begin -->\n```\n").unwrap();
    let (script, _) = rest.split_once("```\n<!-- pipeline:end -->").unwrap();
    let kubectl = server.kubectl().unwrap();
    let folder = Path::new(kubectl.get_program()).parent().unwrap();
    let path = std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", script]).env("KUBECONFIG", server.kubeconfig()).env("PATH", path);
    let output = shell.env("HOME", server.dir()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_gate_reaches_the_verifier_that_judges_by_port_forward() {
    if !available("a_gate_reaches_the_verifier_that_judges_by_port_forward") {
        return;
    }
    demo::build().unwrap();
    let mut stage = Stage::up();
    rights::what_is_documented_is_enough_and_each_of_it_is_needed(&stage);
    ways::whichever_is_found_first_the_one_that_judges_is_asked(&stage);
    ways::what_was_heard_is_told_in_reports(&stage);
    ways::a_forward_that_is_cut_is_made_again(&stage);
    ways::whoever_has_another_certificate_is_refused(&stage);
    ways::the_kubeconfigs_token_is_not_sent_to_a_url(&stage);
    ways::without_a_verifier_it_is_said_what_is_missing(&stage);
    ways::who_judges_next_is_followed(&mut stage);
}
