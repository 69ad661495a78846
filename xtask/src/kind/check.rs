//! `kind test`: the verifier and the experiment in the cluster, and what the gate says while requests take each way.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::programs::{Program, Programs};
use super::steps::{Step, context, kubectl};

const POLICY: &str = "hello/hello-through-waypoint";
const INSTALL: &str = "manifests/install";
/// What nothing in manifests/install makes (docs/operations.md), and its pods wait for.
const KEYS: [&str; 5] = [
    "secret/waypoint-verify-bus",
    "secret/waypoint-verify-bus-keys",
    "secret/waypoint-verify-nats-tls",
    "secret/waypoint-verify-verifier-tls",
    "configmap/waypoint-verify-ca",
];
const EXPERIMENT: &str = "manifests/experiment";
/// The gate gives up after it; requests are sent until then.
const SECONDS: &str = "120";

/// One way to the backend, and what the gate has to end with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// Folder below manifests/experiment that opens it.
    pub(super) bypass: Option<&'static str>,
    pub(super) traffic: Traffic,
    pub(super) exit: i32,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Traffic {
    /// curl in client-1.
    Client(&'static [&'static str]),
    /// curl on a node: to the port of a Service on itself.
    Node(&'static str),
    /// What the bypass brings along sends by itself.
    Job(&'static str),
}

pub(super) const WAYS: [Way; 6] = [
    Way {
        name: "compliant",
        bypass: None,
        traffic: Traffic::Client(&["http://cilium-gateway-hello-gateway.hello.svc/[1-50]"]),
        exit: 0,
    },
    Way {
        name: "route-bypass",
        bypass: Some("bypass-route"),
        traffic: Traffic::Client(&[
            "--header",
            "traceparent: 00-00000000000000000000000000000abc-0000000000000010-01",
            "http://cilium-gateway-hello-gateway.hello.svc/[1-10]",
        ]),
        exit: 1,
    },
    Way {
        name: "other-gateway",
        bypass: Some("bypass-gateway"),
        traffic: Traffic::Client(&["http://cilium-gateway-other-gateway.other.svc/[1-10]"]),
        exit: 1,
    },
    Way { name: "direct", bypass: Some("bypass-direct"), traffic: Traffic::Job("bypass-direct"), exit: 1 },
    Way { name: "upstream-bypass", bypass: Some("bypass-upstream"), traffic: Traffic::Job("bypass-upstream"), exit: 1 },
    Way {
        name: "direct-nodeport",
        bypass: Some("bypass-nodeport"),
        traffic: Traffic::Node("http://localhost:30084/[1-10]"),
        exit: 1,
    },
];

pub(super) fn run(programs: &Programs, workspace: &Path, verifier: &Path) -> Result<()> {
    programs.run_all(workspace, &installation())?;
    let mut wrong = Vec::new();
    for way in &WAYS {
        let exit = one(programs, workspace, verifier, way).with_context(|| way.name)?;
        println!("{:<16} exit {exit}{}", way.name, if exit == way.exit { "" } else { "  WRONG" });
        if exit != way.exit {
            wrong.push(format!("{}: the gate ended with {exit}, not {}", way.name, way.exit));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

pub(super) fn installation() -> Vec<Step> {
    let wait = |what: &'static str, namespace: &'static str, arguments: &[&str]| {
        kubectl(format!("kind: waiting for {what}"), &[&["--namespace", namespace], arguments].concat())
    };
    let rollout = |what| ["rollout", "status", what, "--timeout", "5m"];
    vec![
        kubectl("kind: installing the verifier", &["apply", "--server-side", "--kustomize", INSTALL]),
        wait(
            "the keys and certificates of the bus (docs/operations.md)",
            "waypoint-verify",
            &[&["get"], &KEYS[..]].concat(),
        ),
        wait("NATS", "waypoint-verify", &rollout("statefulset/waypoint-verify-nats")),
        wait("the verifiers", "waypoint-verify", &rollout("deployment/waypoint-verify-verifier")),
        wait("the agents", "waypoint-verify", &rollout("daemonset/waypoint-verify-agent")),
        kubectl("kind: installing the experiment", &["apply", "--server-side", "--kustomize", EXPERIMENT]),
        wait(
            "the Gateways",
            "hello",
            &["wait", "gateway", "--all", "--for", "condition=Programmed", "--timeout", "5m"],
        ),
        wait("the waypoint", "hello", &rollout("deployment/hello-waypoint")),
        wait("the backend", "hello", &rollout("deployment/hello-backend")),
        wait("the clients", "clients", &rollout("statefulset/client")),
    ]
}

/// Opens a way, and sends requests along it until the gate has made up its mind.
fn one(programs: &Programs, workspace: &Path, verifier: &Path, way: &Way) -> Result<i32> {
    let mut gate = start(programs, verifier)?;
    let outcome = (|| {
        if let (Some(bypass), Traffic::Client(_) | Traffic::Node(_)) = (way.bypass, way.traffic) {
            programs.run(workspace, &apply(bypass))?;
        }
        loop {
            if let Some(status) = gate.0.try_wait()? {
                return status.code().context("the gate was killed");
            }
            // A way that is only just open may not answer yet; the gate's own end bounds this.
            for step in traffic(way) {
                if let Err(error) = programs.run(workspace, &step) {
                    println!("{error:#}");
                }
            }
        }
    })();
    if let Some(bypass) = way.bypass {
        programs.run(workspace, &delete(bypass))?;
    }
    outcome
}

/// kind's admin has a certificate, which cannot be shown to the verifier. So the gate gets the token of an account that may read policies,
/// by a pipe: it is in no file.
fn start(programs: &Programs, verifier: &Path) -> Result<Gate> {
    let mut token = programs.command(Program::Kubectl);
    token.args([
        "--context",
        &context(),
        "--namespace",
        "waypoint-verify",
        "create",
        "token",
        "waypoint-verify-verifier",
    ]);
    let token = token.output().context("kubectl create token")?;
    ensure!(token.status.success(), "kubectl create token: {}", String::from_utf8_lossy(&token.stderr).trim());
    let mut command = Command::new(verifier);
    command.args(["gate", "--context", &context(), "--policy", POLICY, "--token-file", "/dev/stdin"]);
    command.args(["--min-verified", "20", "--timeout", SECONDS]).stdin(Stdio::piped());
    let mut gate = Gate(command.spawn().with_context(|| verifier.display().to_string())?);
    if let Some(mut pipe) = gate.0.stdin.take() {
        // One that has ended already says why.
        let _ = pipe.write_all(&token.stdout);
    }
    Ok(gate)
}

fn apply(bypass: &str) -> Step {
    let folder = format!("{EXPERIMENT}/{bypass}");
    kubectl(format!("kind: opening {bypass}"), &["apply", "--server-side", "--kustomize", &folder])
}

fn delete(bypass: &str) -> Step {
    let folder = format!("{EXPERIMENT}/{bypass}");
    kubectl(format!("kind: closing {bypass}"), &["delete", "--ignore-not-found", "--kustomize", &folder])
}

/// One round.
pub(super) fn traffic(way: &Way) -> Vec<Step> {
    let curl = ["curl", "--silent", "--show-error", "--output", "/dev/null"];
    match way.traffic {
        Traffic::Client(arguments) => {
            let exec = ["--namespace", "clients", "exec", "client-1", "--"];
            vec![kubectl(format!("kind: {}: requests", way.name), &[&exec[..], &curl, arguments].concat())]
        }
        Traffic::Node(url) => {
            let node = format!("{}-worker", super::CLUSTER);
            let arguments = [&["exec", &node][..], &curl, &[url]].concat();
            vec![Step::new(format!("kind: {}: requests", way.name), Program::Docker, &arguments)]
        }
        // A Job runs once: for another round it has to be made anew.
        Traffic::Job(job) => vec![
            delete(job),
            apply(job),
            kubectl(
                format!("kind: {}: waiting for its Job", way.name),
                &[
                    "--namespace",
                    "clients",
                    "wait",
                    &format!("job/{job}"),
                    "--for",
                    "condition=Complete",
                    "--timeout",
                    "30s",
                ],
            ),
        ],
    }
}

/// Whatever happens, it does not outlive us.
struct Gate(Child);

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
