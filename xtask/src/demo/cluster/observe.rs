//! Scenarios of one machine in the cluster: what they change goes through the API server, and what came of it is asked of gate, status,
//! metrics and API, which have to agree.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{AUDITOR, PIPELINE, POLICY, Stage};
use crate::cluster::client::documents;
use crate::cluster::installation::policy_status;
use crate::cluster::{self, Bound, experiment, populate};
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
        self.covered()?;
        // Where guards changed agents observe anew, and what is open then stays unverified. On one machine the program is started later
        // than the objects are changed: so here, too, connections of proxies begin after it.
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

    /// Every node, for a while: a change of guards lets agents observe anew, some ticks after it.
    fn covered(&self) -> Result<()> {
        let mut since = None;
        patience::wait("every node to be covered", || {
            let report = self.report()?;
            since = (report["covered"] == true).then(|| since.unwrap_or_else(Instant::now));
            Ok(since.is_some_and(|since: Instant| since.elapsed() > SETTLED).then_some(()))
        })
    }

    /// What the API says of the policy.
    fn report(&self) -> Result<Value> {
        self.ask(PIPELINE.1, "")
    }

    /// As this account of the policy's namespace.
    fn ask(&self, account: &str, path: &str) -> Result<Value> {
        let token = self.experiment.server.token(PIPELINE.0, account, &Bound::default())?;
        let path = format!("/v1/policies/{}/{}{path}", POLICY.0, POLICY.1);
        let (code, text) = self.installation.ask(&path, &token)?;
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
        let mut verdicts = self.ask(AUDITOR, "/verdicts")?.as_array().cloned().unwrap_or_default();
        verdicts.sort_by_key(|verdict| verdict["at"].as_str().map(str::to_owned));
        let status = self.status()?;
        let accepted = status["conditions"].as_array().and_then(|all| all.iter().find(|one| one["type"] == "Accepted"));
        let ended = Ended {
            counts: counts(&found, exit),
            verdicts,
            ready: json!({"findings": [accepted.map_or(&Value::Null, |one| &one["message"])]}),
            // What has left the nodes, in place of what has crossed their rings: nobody but they knows that.
            summary: json!({"ringOctets": self.evidence_octets()?.saturating_sub(octets)}),
        };
        Ok((ended, wrong))
    }

    fn evidence_octets(&self) -> Result<u64> {
        let metrics = self.installation.metrics()?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("waypoint_verify_evidence_bytes_total "));
        line.and_then(|value| value.parse().ok()).context("no waypoint_verify_evidence_bytes_total")
    }

    /// Status and metrics have to say what the gate says.
    fn disagreements(&self, since: &Value) -> Result<Vec<String>> {
        let mut last = Vec::new();
        let agreed = patience::wait("status and metrics to agree with the gate", || {
            last.clear();
            let counts = policy_status(&self.experiment.server, POLICY.0, POLICY.1)?["counts"].clone();
            let metrics = self.installation.metrics()?;
            for field in ["requests", "verified", "bypassed", "unverified"] {
                let none = |value: &Value| value.is_null() || *value == json!({});
                if counts[field] != since[field] && !(none(&counts[field]) && none(&since[field])) {
                    last.push(format!("status: {field} is {}, and {} in the gate", counts[field], since[field]));
                }
            }
            for (kind, count) in since["bypassed"].as_object().into_iter().flatten() {
                let line = format!(
                    "waypoint_verify_requests_total{{policy=\"{}/{}\",verdict=\"Bypassed\",reason=\"{kind}\"}} {count}",
                    POLICY.0, POLICY.1
                );
                if !metrics.contains(&line) {
                    last.push(format!("metrics: no {line}"));
                }
            }
            Ok(last.is_empty().then_some(()))
        });
        Ok(if agreed.is_ok() { Vec::new() } else { last })
    }
}

fn counts(found: &Value, exit: i32) -> Counts {
    let since = &found["since"];
    let map = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Counts {
        requests: number(&since["requests"]),
        verified: number(&since["verified"]) + number(&found["provisional"]),
        bypassed: map(&since["bypassed"]),
        unverified: map(&since["unverified"]),
        mirrors: number(&since["mirrors"]),
        forced: number(&since["forced"]),
        exit,
    }
}
