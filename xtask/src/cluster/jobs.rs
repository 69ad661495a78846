//! What the Job controller, the scheduler and the kubelet do with a Job: one pod of it, which runs in the lab.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use super::controllers::{Container, Running};
use super::installation::AUDIENCE;
use super::{ApiServer, Bound};
use crate::demo;
use crate::lab::relay::Relay;
use crate::lab::topology::Qos;
use crate::lab::{Lab, patience};

/// Where its pod runs: what it has of the lab, and how it reaches what is beside the lab.
#[derive(Debug)]
pub struct Host<'a> {
    pub server: &'a ApiServer,
    pub lab: &'a Lab,
    /// A pod whose network it uses: networks are built with the lab.
    pub network_of: &'a str,
    /// Where the verifier is.
    pub verifier: SocketAddr,
    /// The certificate authority that pods mount.
    pub ca: PathBuf,
}

impl Host<'_> {
    /// Waits for a Job in this namespace and runs the program of its pod to its end.
    pub fn run(&self, namespace: &str) -> Result<Output> {
        let client = self.server.client();
        let jobs = client.api::<Job>(namespace);
        let job = patience::wait(&format!("a Job in {namespace}"), || {
            Ok(client.run(jobs.list(&ListParams::default()))?.items.pop())
        })?;
        let name = job.metadata.name.clone().context("a Job without a name")?;
        let pod = self.pod(&job, namespace, &name)?;
        let outcome = self.container(&job, namespace, &name, &pod);
        client.delete(&pod)?;
        outcome
    }

    /// The pod, on the node of the one whose network it uses.
    fn pod(&self, job: &Job, namespace: &str, name: &str) -> Result<DynamicObject> {
        let template = serde_json::to_value(job.spec.as_ref().map(|spec| &spec.template))?;
        let mut spec = template["spec"].clone();
        spec["nodeName"] = self.lab.plan().pod(self.network_of)?.node.clone().into();
        self.server.client().create(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": namespace, "labels": template["metadata"]["labels"],
                "ownerReferences": [{
                    "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job.metadata.uid, "controller": true,
                }],
            },
            "spec": spec,
        }))
    }

    fn container(&self, job: &Job, namespace: &str, name: &str, pod: &DynamicObject) -> Result<Output> {
        let uid = pod.metadata.uid.as_deref().context("a pod without a UID")?;
        let spec: &Value = &pod.data["spec"];
        let container = &spec["containers"][0];
        let class = &pod.data["status"]["qosClass"];
        ensure!(class == "Burstable", "the lab's cgroup is for a Burstable pod, and this one is {class}");
        let (place, id) = self.lab.another(self.network_of, uid, Qos::Burstable)?;
        let planned = self.lab.plan().pod(self.network_of)?;
        let container_name = container["name"].as_str().context("a container without a name")?;
        let running = Running {
            node_address: &self.lab.plan().node(&planned.node)?.address.v4().to_string(),
            // They are the other pod's.
            addresses: &[],
            containers: &[Container { name: container_name, id: &format!("containerd://{id}") }],
        };
        self.server.client().running(namespace, name, &running)?;

        let account = spec["serviceAccountName"].as_str().context("a pod without a ServiceAccount")?;
        let bound = Bound { audience: AUDIENCE, pod: Some(name), seconds: Some(600) };
        let mounts = self.lab.state_dir().join(name);
        fs::create_dir_all(&mounts)?;
        fs::write(mounts.join("token"), self.server.token(namespace, account, &bound)?)?;
        fs::copy(&self.ca, mounts.join("ca.crt"))?;
        let relay = Relay::start_in(place.netns(), self.verifier)?;
        let url = format!("https://localhost:{}", relay.port);
        let replaced = BTreeMap::from([
            ("--ca", mounts.join("ca.crt").display().to_string()),
            ("--token-file", mounts.join("token").display().to_string()),
            ("--verifier-url", url),
        ]);
        let arguments = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let arguments: Vec<String> = arguments
            .map(|argument| match argument.split_once('=').and_then(|(flag, _)| Some((flag, replaced.get(flag)?))) {
                Some((flag, here)) => format!("{flag}={here}"),
                None => argument.to_owned(),
            })
            .collect();
        ensure!(job.spec.as_ref().is_some_and(|spec| spec.suspend != Some(true)), "Job {name} is suspended");
        let mut command = place.command(demo::binary())?;
        Ok(command.args(arguments).env_clear().env("RUST_LOG", "info").output()?)
    }
}
