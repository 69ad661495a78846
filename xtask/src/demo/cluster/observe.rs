//! Scenarios of one machine in the cluster: what they change goes through the API server, and what came of it is asked of gate, status,
//! metrics and API, which have to agree.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{AUDITOR, PIPELINE, POLICY, Stage};
use crate::cluster::client::documents;
use crate::cluster::installation::policy_status;
use crate::cluster::{self, Bound, Counted, experiment, populate};
use crate::demo::counts::Counts;
use crate::demo::verifier::Ended;
use crate::lab::{Lab, Variant, patience};

/// For so long nothing has to change before it counts as settled.
const SETTLED: Duration = Duration::from_millis(1500);
/// How long requests that may still change are waited for, as the gate of one machine does.
const PROVISIONAL: Duration = Duration::from_secs(5);

impl Stage {
    /// Applies objects; returns when the Envoys serve what Cilium's controller has made of them, and the nodes are covered again.
    pub fn apply(&mut self, yaml: &str) -> Result<()> {
        let server = &self.experiment.server;
        let before = self.configurations()?;
        for object in documents(yaml)? {
            let api = server.client().api_of(&object)?;
            let name = object.metadata.name.clone().context("an object without a name")?;
            if server.client().run(api.get_opt(&name))?.is_none() {
                self.added.push(object.clone());
            }
            server.client().apply_one(object)?;
        }
        self.changed = true;
        self.serve(&before)
    }

    /// Applies an overlay, until it is restored.
    pub fn open_for_scenario(&mut self, name: &'static str, gateway: (&'static str, &'static str)) -> Result<()> {
        self.open(name, Some(gateway))?;
        self.opened = Some((name, gateway));
        self.begin_connections()
    }

    /// A new container of this pod is there, for everybody; its program is yet to be started.
    pub fn recreate(&mut self, pod: &str, container: &str) -> Result<()> {
        self.lab.recreate(pod, container)?;
        self.recreated.push((pod.to_owned(), container.to_owned()));
        populate::restarted(&self.experiment.server, self.lab.plan(), pod)?;
        self.covered()
    }

    /// Everything as manifests/experiment has it.
    pub fn restore(&mut self) -> Result<()> {
        for (pod, container) in std::mem::take(&mut self.recreated) {
            self.lab.restart(&pod, &container, Variant::Plain)?;
            populate::restarted(&self.experiment.server, self.lab.plan(), &pod)?;
        }
        if std::mem::take(&mut self.changed) {
            let before = self.configurations()?;
            for object in std::mem::take(&mut self.added) {
                self.experiment.server.client().delete(&object)?;
            }
            experiment::apply(&self.experiment.server, &self.experiment.plan, &experiment::base())?;
            self.serve(&before)?;
        }
        if let Some((name, gateway)) = self.opened.take() {
            self.close(name, Some(gateway))?;
            self.begin_connections()?;
        }
        self.covered()
    }

    /// Waits until the controller has written something else than this, and nothing more.
    fn serve(&mut self, before: &Value) -> Result<()> {
        let mut seen = (before.clone(), Instant::now());
        patience::wait("Cilium's controller to have written what follows", || {
            let now = self.configurations()?;
            if now != seen.0 {
                seen = (now, Instant::now());
            }
            Ok((seen.0 != *before && seen.1.elapsed() > SETTLED).then_some(()))
        })?;
        populate::gateways(&self.experiment.server, &self.experiment.plan)?;
        self.lab.follow(cluster::everything(&self.experiment.server)?)?;
        self.begin_connections()
    }

    /// Where guards changed agents observe anew, and what is open then stays unverified. On one machine the program is started later
    /// than the objects are changed: so here, too, connections of proxies begin after it.
    fn begin_connections(&mut self) -> Result<()> {
        self.settled(
            "every node to be seen",
            |stage| Ok(stage.ask(PIPELINE.1, "/v1/coverage")?["blind"] == json!({})),
        )?;
        for node in self.lab.plan().nodes.clone() {
            let pod = self.lab.restart_envoy(&node.name)?;
            populate::restarted(&self.experiment.server, self.lab.plan(), &pod)?;
        }
        self.covered()
    }

    /// The specs of all CiliumEnvoyConfigs.
    fn configurations(&self) -> Result<Value> {
        let text = self.experiment.server.client().get_text("/apis/cilium.io/v2/ciliumenvoyconfigs")?;
        let listed: Value = serde_json::from_str(&text)?;
        let items = listed["items"].as_array().into_iter().flatten();
        Ok(items.map(|object| json!([object["metadata"]["name"], object["spec"]])).collect())
    }

    /// Everything that the policy needs to be True but requests.
    fn covered(&self) -> Result<()> {
        self.settled("the policy to be covered", |stage| Ok(stage.report()?["covered"] == true))
    }

    /// For a while: a change of guards lets agents observe anew, some ticks after it.
    fn settled(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let mut since = None;
        patience::wait(what, || {
            since = is_so(self)?.then(|| since.unwrap_or_else(Instant::now));
            Ok(since.is_some_and(|since: Instant| since.elapsed() > SETTLED).then_some(()))
        })
    }

    /// What the API says of the policy.
    fn report(&self) -> Result<Value> {
        self.ask(PIPELINE.1, &format!("/v1/policies/{}/{}", POLICY.0, POLICY.1))
    }

    /// As this account of the policy's namespace.
    fn ask(&self, account: &str, path: &str) -> Result<Value> {
        let token = self.experiment.server.token(PIPELINE.0, account, &Bound::default())?;
        let (code, text) = self.installation.ask(path, &token)?;
        ensure!(code == 200, "{path}: {code}: {text}");
        serde_json::from_str(&text).with_context(|| text)
    }

    /// From a changed policy on, until so many requests were judged. The other value: where its witnesses disagree.
    pub fn observe(
        &mut self,
        min_verified: u64,
        requests: u64,
        traffic: impl FnOnce(&mut Lab) -> Result<()>,
    ) -> Result<(Ended, Vec<String>)> {
        self.begin_anew()?;
        self.covered()?;
        let octets = self.evidence_octets()?;
        let gate = self.gate_with(min_verified, &["--keep-going"])?;
        traffic(&mut self.lab)?;
        let mut judged = None;
        patience::wait(&format!("{requests} requests to be judged"), || {
            let report = self.report()?;
            if report["total"]["requests"].as_u64() < Some(requests) {
                return Ok(None);
            }
            let judged: &Instant = judged.get_or_insert_with(Instant::now);
            Ok((report["provisional"] == 0 || judged.elapsed() > PROVISIONAL).then_some(()))
        })?;
        let (exit, found) = gate.interrupt()?;
        let wrong = self.disagreements(&found["since"])?;
        let mut verdicts = self
            .ask(AUDITOR, &format!("/v1/policies/{}/{}/verdicts", POLICY.0, POLICY.1))?
            .as_array()
            .cloned()
            .unwrap_or_default();
        verdicts.sort_by_key(|verdict| verdict["at"].as_str().map(str::to_owned));
        let coverage = self.ask(PIPELINE.1, "/v1/coverage")?;
        let ended = Ended {
            counts: Counts::read(&found["since"], &found["provisional"], exit),
            verdicts,
            ready: json!({"findings": coverage["findings"]}),
            // What has left the nodes, in place of what has crossed their rings: nobody but they knows that.
            summary: json!({"ringOctets": self.evidence_octets()?.saturating_sub(octets)}),
        };
        Ok((ended, wrong))
    }

    fn evidence_octets(&self) -> Result<u64> {
        Ok(Counted::read(&self.installation.metrics()?)?.octets)
    }

    /// Status and metrics have to say what the gate says.
    fn disagreements(&self, since: &Value) -> Result<Vec<String>> {
        // A container that makes up requests does not stop for the gate.
        let goes_on = !self.recreated.is_empty();
        let mut last = Vec::new();
        let agreed = patience::wait("status and metrics to agree with the gate", || {
            last.clear();
            let counts = policy_status(&self.experiment.server, POLICY.0, POLICY.1)?["counts"].clone();
            let metrics = self.installation.metrics()?;
            for field in ["requests", "verified", "bypassed", "unverified"] {
                if !agree(&counts[field], &since[field], goes_on) {
                    last.push(format!("status: {field} is {}, and {} in the gate", counts[field], since[field]));
                }
            }
            for (kind, count) in since["bypassed"].as_object().into_iter().flatten() {
                let line = format!(
                    "waypoint_verify_requests_total{{policy=\"{}/{}\",verdict=\"Bypassed\",reason=\"{kind}\"}} {count}",
                    POLICY.0, POLICY.1
                );
                if !goes_on && !metrics.contains(&line) {
                    last.push(format!("metrics: no {line}"));
                }
            }
            Ok(last.is_empty().then_some(()))
        });
        Ok(if agreed.is_ok() { Vec::new() } else { last })
    }
}

/// Numbers, or numbers by kind. `goes_on`: those of the status may be larger.
fn agree(status: &Value, gate: &Value, goes_on: bool) -> bool {
    let kinds = |value: &Value| value.as_object().cloned().unwrap_or_default();
    match (status.as_u64(), gate.as_u64()) {
        (Some(status), Some(gate)) => status == gate || (goes_on && status > gate),
        _ => {
            let (status, gate) = (kinds(status), kinds(gate));
            status.len() == gate.len()
                && gate.iter().all(|(kind, count)| status.get(kind).is_some_and(|known| agree(known, count, goes_on)))
        }
    }
}
