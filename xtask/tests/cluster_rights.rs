//! The verifier's rights are enough, and each is needed: the program itself with all of them, and then as many of it as there are
//! rights, each without one of them.
//!
//! They run at the same time on one API server: each is a ServiceAccount with roles of its own, and has a namespace of its own for its
//! Lease, so each is an owner. A right that is taken from a program that runs would only show when a watch ends, minutes later.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};

use xtask::cluster::experiment::render;
use xtask::cluster::installation::{self, Installation, NAMESPACE, Verifier, policy_status};
use xtask::cluster::{ApiServer, Bound, available};
use xtask::demo;
use xtask::lab::patience;
use xtask::setup::{CILIUM, GATEWAY_API, OPEN_REPORTS};

const LEASE: &str = "waypoint-verify-verifier-0";
const POLICY: (&str, &str) = ("hello", "hello-through-waypoint");
const PIPELINE: &str = "pipeline";
const NODE: &str = "node-1";
/// A public key of a user of the bus, as agents make one for themselves.
const USER: &str = r#"{"user": "UAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB63NN"}"#;
/// What it lists beside what it watches.
const DECLARED: [&str; 11] = [
    "apiservices",
    "ciliumdatapathplugins",
    "ciliumlocalredirectpolicies",
    "ingresses",
    "listenersets",
    "mutatingwebhookconfigurations",
    "networkpolicies",
    "tcproutes",
    "tlsroutes",
    "udproutes",
    "validatingwebhookconfigurations",
];
/// For all of them together: forty list everything at the same time, on what is left of this machine.
const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    /// Within the namespace of the Lease.
    namespaced: bool,
    group: String,
    resource: String,
    verb: String,
}

/// What the manifests give to the verifier, one by one.
fn rights(server: &ApiServer) -> Result<Vec<Right>> {
    let mut rights = Vec::new();
    let its = |object: &&DynamicObject| object.metadata.name.as_deref() == Some("waypoint-verify-verifier");
    for object in render(server, &xtask::workspace().join("manifests/install"))?.iter().filter(its) {
        let namespaced = match object.types.as_ref().map(|types| types.kind.as_str()) {
            Some("Role") => true,
            Some("ClusterRole") => false,
            _ => continue,
        };
        for rule in object.data["rules"].as_array().context("a role without rules")? {
            let all = |field: &str| -> Result<Vec<String>> { Ok(serde_json::from_value(rule[field].clone())?) };
            for group in all("apiGroups")? {
                for resource in all("resources")? {
                    for verb in all("verbs")? {
                        let (group, resource) = (group.clone(), resource.clone());
                        rights.push(Right { namespaced, group, resource, verb });
                    }
                }
            }
        }
    }
    Ok(rights)
}

/// A verifier and who it is.
struct Candidate {
    name: String,
    missing: Option<Right>,
    verifier: Verifier,
}

struct Stage {
    server: ApiServer,
    installation: Installation,
    rights: Vec<Right>,
    agent: String,
    pipeline: String,
    /// When what was started has to have failed.
    until: Instant,
}

impl Stage {
    fn up() -> Result<Self> {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rights");
        let _ = std::fs::remove_dir_all(&dir);
        let server = ApiServer::start(&dir)?;
        // A kind that the server does not know is not watched, and its rights are not used.
        server.define(&GATEWAY_API)?;
        server.define(&CILIUM)?;
        server.define(&OPEN_REPORTS)?;
        let installation = Installation::without_agents(&server)?;
        let client = server.client();
        client.namespace(POLICY.0)?;
        client.node(NODE, &["172.18.0.2"])?;
        installation::pod(&server, NODE)?;
        client.apply_file(&xtask::workspace().join("manifests/experiment/policy.yaml"))?;
        account(&server, PIPELINE)?;
        bind(&server, PIPELINE, "waypoint-verify-view")?;
        let agent = installation::token(&server, NODE)?;
        let pipeline = server.token(NAMESPACE, PIPELINE, &Bound::default())?;
        let rights = rights(&server)?;
        Ok(Self { server, installation, rights, agent, pipeline, until: Instant::now() })
    }

    /// Starts a verifier that has all rights but this one.
    fn without(&self, name: &str, missing: Option<Right>) -> Result<Candidate> {
        let rules = |namespaced: bool| -> Vec<Value> {
            let kept =
                self.rights.iter().filter(|right| right.namespaced == namespaced && Some(*right) != missing.as_ref());
            kept.map(|one| json!({"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}))
                .collect()
        };
        let client = self.server.client();
        client.namespace(name)?;
        account(&self.server, name)?;
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE});
        let of = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let version = "rbac.authorization.k8s.io/v1";
        for object in [
            json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules(false)}),
            json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
                   "roleRef": of("ClusterRole"), "subjects": [subject]}),
            json!({"apiVersion": version, "kind": "Role", "metadata": {"name": name, "namespace": name},
                   "rules": rules(true)}),
            json!({"apiVersion": version, "kind": "RoleBinding", "metadata": {"name": name, "namespace": name},
                   "roleRef": of("Role"), "subjects": [subject]}),
        ] {
            client.create(&object)?;
        }
        if missing.as_ref().is_some_and(|right| right.verb == "update") {
            // One that somebody gave up: to take it is an update.
            client.create(&json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": LEASE, "namespace": name}, "spec": {"holderIdentity": ""},
            }))?;
        }
        let kubeconfig = self.server.kubeconfig_of(NAMESPACE, name)?;
        let mut verifier = Verifier::new(self.server.dir(), name, &kubeconfig, name)?;
        verifier.start(&self.installation.nats)?;
        Ok(Candidate { name: name.to_owned(), missing, verifier })
    }

    fn ask(&self, candidate: &Candidate, path: &str, token: &str, body: Option<&str>) -> Result<(u16, String)> {
        candidate.verifier.ask(&self.installation.nats, path, token, body)
    }

    fn admits(&self, candidate: &Candidate) -> Result<(u16, String)> {
        self.ask(candidate, "/v1/admission", &self.agent, Some(USER))
    }

    fn answers(&self, candidate: &Candidate) -> Result<(u16, String)> {
        self.ask(candidate, "/v1/policies", &self.pipeline, None)
    }

    fn holder(&self, candidate: &Candidate) -> Result<Option<String>> {
        installation::holder(&self.server, &candidate.name, 0)
    }

    /// Everything that a verifier does.
    fn works(&self, candidate: &mut Candidate) -> Result<()> {
        candidate.verifier.ready()?;
        patience::wait("it to hold its Lease", || Ok(self.holder(candidate)?.map(drop)))?;
        patience::wait("the policy's status", || {
            let status = policy_status(&self.server, POLICY.0, POLICY.1)?;
            Ok(status["conditions"].is_array().then_some(()))
        })?;
        let report = patience::wait("the policy's Report", || Ok(self.reports()?.pop()))?;
        let owner = &report.metadata.owner_references.as_deref().unwrap_or_default()[0];
        ensure!((owner.kind.as_str(), owner.name.as_str()) == ("WaypointPolicy", POLICY.1), "owned by {owner:?}");
        // No agent has answered.
        ensure!(report.data["summary"]["error"].as_u64() > Some(0), "{:#}", report.data);
        patience::wait("what objects declare to be read", || {
            let metrics = candidate.verifier.metrics()?;
            Ok(metrics.contains("waypoint_verify_declared_age_seconds").then_some(()))
        })?;
        let log = candidate.verifier.log()?;
        ensure!(!log.contains("declared paths: "), "something is not read: {log}");
        let admitted = self.admits(candidate)?;
        ensure!(admitted.0 == 200, "an agent is not admitted: {admitted:?}");
        patience::wait("it to judge", || Ok((self.answers(candidate)?.0 == 200).then_some(())))?;
        let readiness = candidate.verifier.readiness()?;
        ensure!(readiness == "ok\n", "it is not ready any more: {readiness}");
        Ok(())
    }

    fn wait<T: Debug>(&self, ask: impl Fn() -> Result<T>, is_it: impl Fn(&T) -> bool) -> Result<()> {
        let mut last = None;
        let left = self.until.saturating_duration_since(Instant::now());
        let found = patience::wait_for(left, "it to fail", || {
            let answer = last.insert(ask()?);
            Ok(is_it(answer).then_some(()))
        });
        found.with_context(|| format!("last seen: {last:?}"))
    }

    /// What was written of the policies.
    fn reports(&self) -> Result<Vec<DynamicObject>> {
        Ok(self.server.client().run(self.reports_api()?.list(&ListParams::default()))?.items)
    }

    fn reports_api(&self) -> Result<kube::Api<DynamicObject>> {
        let kind =
            json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"namespace": POLICY.0}});
        self.server.client().api_of(&serde_json::from_value(kind)?)
    }

    /// The same policy again, as another object. Nobody collects here what it owned.
    fn begin_anew(&self) -> Result<()> {
        let client = self.server.client();
        for report in self.reports()? {
            client.delete(&report)?;
        }
        client.run(installation::policies(&self.server, POLICY.0)?.delete(POLICY.1, &DeleteParams::default()))?;
        client.apply_file(&xtask::workspace().join("manifests/experiment/policy.yaml"))?;
        Ok(())
    }

    /// What is wrong if nothing is seen to fail.
    fn unneeded(&self, candidate: &Candidate) -> Option<String> {
        let missing = candidate.missing.as_ref()?;
        let error = self.fails(candidate, missing).err()?;
        Some(format!("{missing:?}: {error:#}: {}", candidate.verifier.complaint()))
    }

    /// What a verifier without this right cannot do is there to be seen.
    fn fails(&self, candidate: &Candidate, missing: &Right) -> Result<()> {
        let Right { resource, verb, .. } = missing;
        match (resource.as_str(), verb.as_str()) {
            ("tokenreviews", "create") => {
                self.wait(|| self.admits(candidate), |(code, text)| *code == 503 && text.contains("tokenreviews"))
            }
            ("subjectaccessreviews", "create") => {
                self.wait(|| self.answers(candidate), |(code, text)| *code == 503 && text.contains("cannot be asked"))
            }
            ("leases", _) => {
                self.wait(|| candidate.verifier.readiness(), |text| text.contains("the Lease of the verifiers"))?;
                self.wait(
                    || Ok(candidate.verifier.complaint()),
                    |text| text.contains("Leases waypoint-verify-verifier-*: ") && text.contains("forbidden"),
                )?;
                let holder = self.holder(candidate)?;
                ensure!(holder.is_none(), "{holder:?} has the Lease all the same");
                Ok(())
            }
            ("waypointpolicies/status", "patch") => {
                // It writes only what is new, and the others have written: of another generation nobody has yet.
                installation::set_window(&self.server, POLICY, "11m")?;
                self.wait(
                    || candidate.verifier.readiness(),
                    |text| text.contains("writing the status of WaypointPolicy") && text.contains("forbidden"),
                )
            }
            ("events", "create") => self.wait(
                || candidate.verifier.readiness(),
                |text| text.contains("writing Events in namespace") && text.contains("forbidden"),
            ),
            ("reports", "create" | "patch") => self.wait(
                || candidate.verifier.readiness(),
                |text| {
                    text.contains("writing Report hello/waypoint-verify-hello-through-waypoint")
                        && text.contains("forbidden")
                },
            ),
            ("waypointpolicies", "get") => self.wait(
                || candidate.verifier.readiness(),
                |text| text.contains("reading WaypointPolicy") && text.contains("forbidden"),
            ),
            // It judges all the same, and says what is not read.
            (_, "list") if DECLARED.contains(&resource.as_str()) => {
                let unread = format!("cannot be listed: ApiError: {resource}.{} is forbidden", missing.group);
                self.wait(|| candidate.verifier.log(), |log| log.contains(&unread))
            }
            // Of a list that it was never given its log says more than its readiness.
            (_, "list") => self.wait(
                || Ok((candidate.verifier.readiness()?, candidate.verifier.complaint())),
                |(text, log)| {
                    text.contains(&format!("{resource}: ")) && log.contains(&format!("may not watch {resource}"))
                },
            ),
            (_, "watch") => self.wait(
                || candidate.verifier.readiness(),
                |text| text.contains(&format!("{resource}: may not watch {resource}")),
            ),
            _ => bail!("nobody knows what needs it"),
        }
    }
}

fn account(server: &ApiServer, name: &str) -> Result<()> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}});
    server.client().create(&account).map(drop)
}

fn bind(server: &ApiServer, account: &str, role: &str) -> Result<()> {
    server.client().create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }))?;
    Ok(())
}

#[test]
fn the_verifiers_rights_are_enough_and_each_of_them_is_needed() {
    if !available("the_verifiers_rights_are_enough_and_each_of_them_is_needed") {
        return;
    }
    demo::build().unwrap();
    let mut stage = Stage::up().unwrap();
    let mut whole = stage.without("all-rights", None).unwrap();
    stage
        .works(&mut whole)
        .unwrap_or_else(|error| panic!("with all rights: {error:#}: {}", whole.verifier.complaint()));
    whole.verifier.kill();

    // Whoever writes a change tells of it, and nobody else: so each of these is alone, with a policy of which nothing was told yet.
    let tells = |right: &Right| ["events", "reports"].contains(&right.resource.as_str());
    let (telling, rest): (Vec<Right>, Vec<Right>) = stage.rights.clone().into_iter().partition(tells);
    let mut unneeded = Vec::new();
    for (at, right) in telling.iter().enumerate() {
        stage.begin_anew().unwrap();
        let mut candidate = stage.without(&format!("telling-{at}"), Some(right.clone())).unwrap();
        stage.until = Instant::now() + PATIENCE;
        unneeded.extend(stage.unneeded(&candidate));
        candidate.verifier.kill();
    }
    let without = |(at, right): (usize, &Right)| stage.without(&format!("without-{at}"), Some(right.clone())).unwrap();
    let candidates: Vec<Candidate> = rest.iter().enumerate().map(without).collect();
    assert!(candidates.len() > 30 && telling.len() == 3, "{:?}", stage.rights);
    stage.until = Instant::now() + PATIENCE;
    unneeded.extend(candidates.iter().filter_map(|candidate| stage.unneeded(candidate)));
    assert!(unneeded.is_empty(), "without these rights nothing is seen to fail:\n{}", unneeded.join("\n"));
}
