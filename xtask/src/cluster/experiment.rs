//! manifests/experiment in the API server, at the addresses that the lab's plan has for it.
//!
//! In a cluster an address is whatever was free. The lab's network is built from its plan, before anybody asks the API server: so what
//! the plan has an address for gets that one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::{Value, json};

use super::client::{documents, shown};
use super::{ApiServer, Client, Controller, everything, populate};
use crate::gateway::generated_name;
use crate::lab::address::Address;
use crate::lab::patience;
use crate::lab::plan::Plan;
use crate::lab::topology::GatewaySpec;
use crate::setup::{CILIUM, GATEWAY_API};

/// A cluster in which the experiment runs, as far as objects go.
#[derive(Debug)]
pub struct Cluster {
    pub server: ApiServer,
    pub controller: Controller,
    /// With the identities that the API server gave: build the lab from it (`Lab::up_planned`).
    pub plan: Plan,
}

/// The backend, as Cilium's controller names clusters of Envoy.
const BACKEND: &str = "hello:hello-backend:8083";

impl Cluster {
    /// Opens a bypass. `gateway`: which one (namespace and name) has to lead to the backend then; waits until it does.
    pub fn open(&self, name: &str, gateway: Option<(&str, &str)>) -> Result<()> {
        apply(&self.server, &self.plan, &bypass(name))?;
        self.wait_for_backend(gateway, true)?;
        populate::gateways(&self.server, &self.plan)
    }

    /// Takes it back; the Gateway leads to the backend no more, or is gone.
    pub fn close(&self, name: &str, gateway: Option<(&str, &str)>) -> Result<()> {
        delete(&self.server, &bypass(name))?;
        self.wait_for_backend(gateway, false)
    }

    /// Until Cilium's controller has written that this Gateway reaches the backend, or does not.
    fn wait_for_backend(&self, gateway: Option<(&str, &str)>, reaches: bool) -> Result<()> {
        let Some((namespace, name)) = gateway else { return Ok(()) };
        let verb = if reaches { "to reach" } else { "not to reach" };
        patience::wait(&format!("Gateway {namespace}/{name} {verb} the backend"), || {
            let listed = everything(&self.server)?;
            let is_its = |object: &&Value| {
                object["kind"] == "CiliumEnvoyConfig"
                    && object["metadata"]["namespace"] == namespace
                    && object["metadata"]["name"] == generated_name(name)
            };
            let configuration = listed["items"].as_array().and_then(|items| items.iter().find(is_its));
            let does = configuration.is_some_and(|configuration| configuration.to_string().contains(BACKEND));
            Ok((does == reaches).then_some(()))
        })
    }
}

/// Starts an API server and Cilium's controller with everything that they write below `dir`, applies the experiment and puts the plan's
/// nodes and pods beside it; returns when its Gateways are Programmed.
pub fn start(dir: &Path, mut plan: Plan) -> Result<Cluster> {
    let server = ApiServer::start(dir)?;
    server.define(&GATEWAY_API)?;
    server.define(&CILIUM)?;
    server.define_policies()?;
    server.client().service_accounts()?;
    let controller = Controller::start(&server)?;
    apply(&server, &plan, &base())?;
    populate(&server, &mut plan)?;
    populate::gateways(&server, &plan)?;
    Ok(Cluster { server, controller, plan })
}

/// The whole experiment.
pub fn base() -> PathBuf {
    crate::workspace().join("manifests/experiment")
}

/// One way past its waypoint, by the name of its folder (`bypass-route`).
pub fn bypass(name: &str) -> PathBuf {
    base().join(name)
}

/// A folder's objects, as `kubectl apply -k` would send them.
pub fn render(server: &ApiServer, folder: &Path) -> Result<Vec<DynamicObject>> {
    let output = server.kubectl()?.arg("kustomize").arg(folder).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl kustomize {}: {}", folder.display(), told.trim());
    documents(&String::from_utf8(output.stdout)?).with_context(|| folder.display().to_string())
}

/// Applies a folder, strictly: a field that the server does not know is an error.
pub fn apply(server: &ApiServer, plan: &Plan, folder: &Path) -> Result<Vec<DynamicObject>> {
    let client = server.client();
    let mut applied = Vec::new();
    for mut object in render(server, folder)? {
        match kind(&object) {
            "Service" => place(plan, &mut object),
            "Gateway" => {
                if let Some(gateway) = planned(plan, &object) {
                    reserve(client, gateway)?;
                }
            }
            _ => {}
        }
        applied.push(client.apply_in_cluster(object)?);
    }
    Ok(applied)
}

/// Takes a folder's objects back. What the server's garbage collector would remove after them, because they own it, goes with them.
pub fn delete(server: &ApiServer, folder: &Path) -> Result<()> {
    let client = server.client();
    for object in render(server, folder)?.iter().rev() {
        client.delete(object)?;
        if kind(object) == "Gateway" {
            remove_generated(client, object)?;
        }
    }
    Ok(())
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

fn planned<'a>(plan: &'a Plan, object: &DynamicObject) -> Option<&'a GatewaySpec> {
    let is_it = |gateway: &&GatewaySpec| {
        Some(&gateway.name) == object.metadata.name.as_ref()
            && Some(&gateway.namespace) == object.metadata.namespace.as_ref()
    };
    plan.topology.gateways.iter().find(is_it)
}

/// Gives a Service the address of the plan's Service of that name. One without an address (`clusterIP: None`) is left alone.
fn place(plan: &Plan, object: &mut DynamicObject) {
    let found = plan.topology.services.iter().find(|service| {
        Some(&service.name) == object.metadata.name.as_ref()
            && Some(&service.namespace) == object.metadata.namespace.as_ref()
    });
    if let Some(service) = found {
        for (field, value) in address_fields(service.cluster_ip) {
            object.data["spec"][field] = value;
        }
    }
}

fn address_fields(address: Address) -> [(&'static str, Value); 4] {
    let all: Vec<_> = address.iter().collect();
    let families: Vec<_> = all.iter().map(|ip| if ip.is_ipv4() { "IPv4" } else { "IPv6" }).collect();
    let policy = if all.len() > 1 { "RequireDualStack" } else { "SingleStack" };
    [
        ("clusterIP", json!(all.first())),
        ("clusterIPs", json!(all)),
        ("ipFamilies", json!(families)),
        ("ipFamilyPolicy", json!(policy)),
    ]
}

/// Makes a Gateway's Service before Cilium's controller does: it takes over what is there, and the server keeps the address.
fn reserve(client: &Client, gateway: &GatewaySpec) -> Result<()> {
    let ports: Vec<_> = gateway
        .listeners
        .iter()
        .map(|l| json!({"name": format!("port-{}", l.port), "port": l.port, "protocol": "TCP"}))
        .collect();
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": generated_name(&gateway.name), "namespace": gateway.namespace},
        // A port of the nodes would stay, even where the Gateway's class wants none.
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": ports},
    });
    for (field, value) in address_fields(gateway.cluster_ip) {
        service["spec"][field] = value;
    }
    // Asked first: an address that is taken is refused before a name that is.
    let name = generated_name(&gateway.name);
    if client.run(client.api::<Service>(&gateway.namespace).get_opt(&name))?.is_none() {
        client.create(&service)?;
    }
    Ok(())
}

fn not_found(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.is_not_found())
}

/// There is no garbage collector beside this API server.
fn remove_generated(client: &Client, gateway: &DynamicObject) -> Result<()> {
    let name = generated_name(gateway.metadata.name.as_deref().unwrap_or_default());
    for (version, kind) in
        [("v1", "Service"), ("discovery.k8s.io/v1", "EndpointSlice"), ("cilium.io/v2", "CiliumEnvoyConfig")]
    {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": version, "kind": kind,
            "metadata": {"name": name, "namespace": gateway.metadata.namespace},
        }))?;
        let api = client.api_of(&object)?;
        match client.run(api.delete(&name, &DeleteParams::default())).map_err(anyhow::Error::from) {
            Err(error) if not_found(&error) => {}
            other => other.map(drop).with_context(|| shown(&object))?,
        }
    }
    Ok(())
}
