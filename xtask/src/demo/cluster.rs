//! `cargo xtask demo --cluster`: the experiment's manifests in a real API server, Cilium's own controller, NATS, a verifier and an agent
//! on each node; each row applies an overlay, sends real traffic, and asks the gate.

mod gate;
mod observe;
mod rows;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::Scenario;

use crate::client::{Request, Script};
use crate::cluster::installation::{policies, policy_status, set_window, wait_for};
use crate::cluster::{self, Bound, Client, Controller, Installation, experiment};
use crate::lab::{Lab, Plan, Topology, patience, privileged};
use gate::Gate;
pub use rows::{ALL, Row};

/// The policy of the experiment.
pub const POLICY: (&str, &str) = ("hello", "hello-through-waypoint");

/// Who asks the gate: a pipeline that may read policies, and nothing else.
pub const PIPELINE: (&str, &str) = ("hello", "pipeline");

/// Who may look into single requests of that namespace.
pub const AUDITOR: &str = "auditor";

/// Everything that a cluster has.
#[derive(Debug)]
pub struct Stage {
    pub experiment: experiment::Cluster,
    pub lab: Lab,
    pub installation: Installation,
    /// What a scenario has changed, until it is restored: objects that were not there before,
    added: Vec<DynamicObject>,
    /// whether any object is another one,
    changed: bool,
    /// a bypass of manifests/experiment, with the Gateway that leads to the backend with it,
    opened: Option<(&'static str, (&'static str, &'static str))>,
    /// and containers (of a pod) that run something else.
    recreated: Vec<(String, String)>,
}

/// What a row came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub exit: i32,
    pub verified: u64,
    pub bypassed: Value,
    /// Status and reason of `Verified`.
    pub condition: (String, String),
}

/// Whether everything is there; prints why not.
pub fn available(test: &str) -> bool {
    privileged::available(test) && Controller::available(test)
}

impl Stage {
    /// Returns when both nodes are covered. `say` tells what is waited for.
    pub fn up(dir: &Path, id: &str, say: impl Fn(&str)) -> Result<Self> {
        let _ = fs::remove_dir_all(dir);
        say("starting an API server and Cilium's Gateway API controller, applying manifests/experiment");
        let experiment = experiment::start(dir, Plan::new(id, &Topology::standard())?)?;
        say("building nodes and pods; their Envoys get what the controller wrote");
        let mut lab = Lab::up_planned(experiment.plan.clone())?;
        lab.follow(cluster::everything(&experiment.server)?)?;
        say("applying manifests/install, starting NATS, the verifier and an agent on each node");
        let installation = Installation::start(&experiment.server, &lab)?;
        accounts(experiment.server.client())?;
        let stage = Self {
            experiment,
            lab,
            installation,
            added: Vec::new(),
            changed: false,
            opened: None,
            recreated: Vec::new(),
        };
        say("waiting for the conditions Accepted and Covered");
        stage.wait_for("Accepted", "True", "Accepted")?;
        stage.wait_for("Covered", "True", "Complete")?;
        Ok(stage)
    }

    pub fn wait_for(&self, kind: &str, status: &str, reason: &str) -> Result<Value> {
        wait_for(&self.experiment.server, POLICY, kind, status, reason)
    }

    pub fn status(&self) -> Result<Value> {
        policy_status(&self.experiment.server, POLICY.0, POLICY.1)
    }

    /// Opens a bypass of manifests/experiment, all the way to the Envoys (`experiment::Cluster::open`).
    pub fn open(&mut self, bypass: &str, gateway: Option<(&str, &str)>) -> Result<()> {
        self.experiment.open(bypass, gateway)?;
        self.lab.follow(cluster::everything(&self.experiment.server)?)
    }

    pub fn close(&mut self, bypass: &str, gateway: Option<(&str, &str)>) -> Result<()> {
        self.experiment.close(bypass, gateway)?;
        self.lab.follow(cluster::everything(&self.experiment.server)?)
    }

    /// A change of the spec: what was seen so far counts no more. Returns when the status is of the new generation.
    pub fn begin_anew(&self) -> Result<()> {
        let api = policies(&self.experiment.server, POLICY.0)?;
        let now = self.experiment.server.client().run(api.get(POLICY.1))?;
        let generation = now.metadata.generation.unwrap_or_default();
        let changed = set_window(&self.experiment.server, POLICY, &format!("{}m", 10 + generation))?;
        patience::wait("the verifier to know the changed policy", || {
            let status = self.status()?;
            Ok((status["observedGeneration"] == json!(changed.metadata.generation)).then_some(()))
        })
    }

    /// Gives the pipeline a Role of this namespace.
    pub fn let_pipeline(&self, namespace: &str, role: &str) -> Result<()> {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": PIPELINE.1, "namespace": PIPELINE.0}],
        });
        self.experiment.server.client().create(&binding).map(drop)
    }

    /// A token of the pipeline's.
    pub fn token(&self) -> Result<String> {
        self.experiment.server.token(PIPELINE.0, PIPELINE.1, &Bound::default())
    }

    /// A gate that counts from now on.
    pub fn gate(&self, min_verified: u64) -> Result<Gate> {
        self.gate_with(min_verified, &[])
    }

    /// The same with arguments of the caller's. It goes straight to the first verifier.
    pub fn gate_with(&self, min_verified: u64, more: &[&str]) -> Result<Gate> {
        let server = &self.experiment.server;
        let token = server.dir().join("pipeline.token");
        fs::write(&token, self.token()?)?;
        let (url, ca, token) =
            (self.installation.url(), self.installation.nats.ca().display().to_string(), token.display().to_string());
        let straight = ["--verifier-url", &url, "--ca", &ca, "--token-file", &token];
        self.gate_by_port_forward(min_verified, &[&straight, more].concat())
    }

    /// A gate that finds its way by itself: verifiers need pods for that, and the pipeline the right.
    pub fn gate_by_port_forward(&self, min_verified: u64, more: &[&str]) -> Result<Gate> {
        let kubeconfig = self.experiment.server.kubeconfig_of(PIPELINE.0, PIPELINE.1)?;
        Gate::start(&kubeconfig, &format!("{}/{}", POLICY.0, POLICY.1), min_verified, more)
    }

    /// Requests over one connection, all of them answered with 200.
    pub fn send(&self, from: &str, to: std::net::SocketAddr, requests: Vec<Request>) -> Result<()> {
        let count = requests.len();
        let answers = self.lab.client(from)?.run(&Script::keep_alive(to, requests))?;
        ensure!(answers.len() == count && answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        Ok(())
    }

    pub fn down(self) -> Result<()> {
        let Self { lab, installation, .. } = self;
        drop(installation);
        lab.down()
    }
}

/// ServiceAccounts that may read policies, and single verdicts of this namespace.
fn accounts(client: &Client) -> Result<()> {
    let (namespace, name) = PIPELINE;
    let text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {AUDITOR}, namespace: {namespace}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {name}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: waypoint-verify-view}}\n\
         subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {AUDITOR}, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: waypoint-verify-audit}}\n\
         subjects: [{{kind: ServiceAccount, name: {AUDITOR}, namespace: {namespace}}}]\n"
    );
    client.apply(&text).map(drop)
}

/// Scenarios that need probes of their own: attached late, or with too small a ring. An agent that is replaced under traffic is tested in
/// netns_faults.
const ON_ONE_MACHINE: [&str; 2] = ["blind-late", "blind-small-ring"];

/// The scenarios of one machine that the cluster plays, too.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    super::ALL.iter().filter(|scenario| !ON_ONE_MACHINE.contains(&scenario.name))
}

/// All rows, one after the other on one stage; prints each, and fails if one is not as expected.
pub fn main() -> Result<()> {
    let dir = crate::workspace().join("target/tmp/demo-cluster");
    let mut stage = Stage::up(&dir, "demo", |what| eprintln!("{what}"))?;
    println!("{}", Row::HEADER);
    let mut wrong = 0;
    for row in ALL {
        let outcome = row.play(&mut stage).with_context(|| format!("row {}", row.name))?;
        println!("{}", row.shown(&outcome));
        for difference in row.differences(&outcome) {
            wrong += 1;
            eprintln!("not as expected: {}: {difference}", row.name);
        }
    }
    println!("\n{}", super::Row::HEADER);
    for scenario in scenarios() {
        let row;
        (row, stage) = scenario.run_in(stage).with_context(|| format!("scenario {}", scenario.name))?;
        println!("{row}");
        wrong += row.wrong.len();
        row.wrong.iter().for_each(|one| eprintln!("not as expected: {}: {one}", scenario.name));
    }
    stage.down()?;
    ensure!(wrong == 0, "{wrong} things are not as expected");
    Ok(())
}
