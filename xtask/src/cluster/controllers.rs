//! By hand, what a cluster's controller-manager, scheduler, kubelets and load balancer would write.

mod slices;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service, ServiceAccount};
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Client;

/// A container as a kubelet reports it.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub name: &'a str,
    /// With its scheme: `containerd://...`.
    pub id: &'a str,
}

/// What a kubelet knows of a pod that it runs.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    pub node_address: &'a str,
    /// One or two, IPv4 and IPv6; for a pod in its node's network those of the node.
    pub addresses: &'a [&'a str],
    pub containers: &'a [Container<'a>],
}

impl Client {
    /// A namespace and its ServiceAccount `default`; fine if both are there.
    pub fn namespace(&self, name: &str) -> Result<()> {
        self.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }).to_string())?;
        self.service_account(name)
    }

    /// The ServiceAccount `default` of every namespace. Without it no pod is admitted.
    pub fn service_accounts(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.kube());
        for namespace in self.run(namespaces.list(&ListParams::default()))? {
            self.service_account(&namespace.metadata.name.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Applies an object; a namespace gets its ServiceAccount.
    pub fn apply_in_cluster(&self, object: DynamicObject) -> Result<DynamicObject> {
        let is_namespace = object.types.as_ref().is_some_and(|types| types.kind == "Namespace");
        let applied = self.apply_one(object)?;
        if is_namespace {
            self.service_accounts()?;
        }
        Ok(applied)
    }

    fn service_account(&self, namespace: &str) -> Result<()> {
        let account = ServiceAccount {
            metadata: kube::api::ObjectMeta { name: Some("default".into()), ..Default::default() },
            ..Default::default()
        };
        match self.run(self.api(namespace).create(&PostParams::default(), &account)) {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// A node that is ready, as its kubelet registers it.
    pub fn node(&self, name: &str, addresses: &[&str]) -> Result<()> {
        self.apply(
            &json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
            })
            .to_string(),
        )?;
        let addresses: Vec<Value> =
            addresses.iter().map(|address| json!({ "type": "InternalIP", "address": address })).collect();
        let ready = json!({ "type": "Ready", "status": "True", "reason": "KubeletReady" });
        let status = json!({ "status": { "addresses": addresses, "conditions": [ready] } });
        let nodes: Api<Node> = Api::all(self.kube());
        self.run(nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)))?;
        Ok(())
    }

    /// Puts a pod on a node, as the scheduler does.
    pub fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<()> {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": pod, "namespace": namespace },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let pods = self.api::<Pod>(namespace);
        let how = PostParams::default();
        self.run(pods.create_subresource::<Value, Value>("binding", pod, &how, &binding))?;
        Ok(())
    }

    /// A pod runs, and is ready.
    pub fn running(&self, namespace: &str, pod: &str, running: &Running) -> Result<()> {
        let ips: Vec<Value> = running.addresses.iter().map(|address| json!({ "ip": address })).collect();
        let containers: Vec<Value> = running
            .containers
            .iter()
            .map(|container| {
                json!({
                    "name": container.name, "containerID": container.id, "image": container.name, "imageID": "",
                    "ready": true, "started": true, "restartCount": 0, "state": { "running": {} },
                })
            })
            .collect();
        let conditions: Vec<Value> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
            .map(|kind| json!({ "type": kind, "status": "True" }))
            .to_vec();
        self.pod_status(
            namespace,
            pod,
            &json!({
                "phase": "Running", "hostIP": running.node_address, "podIP": running.addresses.first(), "podIPs": ips,
                "conditions": conditions, "containerStatuses": containers,
            }),
        )
    }

    /// A pod's probe fails: it stays, and leaves its Services.
    pub fn not_ready(&self, namespace: &str, pod: &str) -> Result<()> {
        let conditions: Vec<Value> =
            ["ContainersReady", "Ready"].map(|kind| json!({ "type": kind, "status": "False" })).to_vec();
        self.pod_status(namespace, pod, &json!({ "conditions": conditions }))
    }

    fn pod_status(&self, namespace: &str, pod: &str, status: &Value) -> Result<()> {
        let how = PatchParams::default();
        let patch = Patch::Strategic(json!({ "status": status }));
        self.run(self.api::<Pod>(namespace).patch_status(pod, &how, &patch))?;
        Ok(())
    }

    /// The addresses that a load balancer has given to a Service.
    pub fn load_balancer(&self, namespace: &str, service: &str, addresses: &[&str]) -> Result<()> {
        let ingress: Vec<Value> = addresses.iter().map(|address| json!({ "ip": address, "ipMode": "VIP" })).collect();
        let status = Patch::Merge(json!({ "status": { "loadBalancer": { "ingress": ingress } } }));
        self.run(self.api::<Service>(namespace).patch_status(service, &PatchParams::default(), &status))?;
        Ok(())
    }
}
