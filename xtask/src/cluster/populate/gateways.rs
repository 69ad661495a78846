//! What a load balancer does for the Gateways' Services, and the waiting for Cilium's controller around it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{ApiServer, Client};
use crate::gateway::generated_name;
use crate::lab::patience;
use crate::lab::plan::Plan;
use crate::lab::topology::GatewaySpec;

/// Gives every Gateway of the plan that is in the API server its load balancer's address, and its ports of the nodes where its class
/// has them; returns when all of them are Programmed.
pub fn gateways(server: &ApiServer, plan: &Plan) -> Result<()> {
    let client = server.client();
    let mut there = Vec::new();
    for gateway in &plan.topology.gateways {
        if super::get(client, &object(gateway))?.is_some() {
            there.push(gateway);
        }
    }
    for gateway in &there {
        serve(client, gateway).with_context(|| format!("Gateway {}/{}", gateway.namespace, gateway.name))?;
    }
    for gateway in there {
        let shown = format!("Gateway {}/{}", gateway.namespace, gateway.name);
        patience::wait(&format!("{shown} to be Programmed"), || {
            let now = super::get(client, &object(gateway))?.context("it is gone")?;
            let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let programmed =
                conditions.iter().find(|c| c["type"] == "Programmed").context("it has no such condition")?;
            ensure!(programmed["status"] == "True", "{}: {}", programmed["reason"], programmed["message"]);
            Ok(Some(()))
        })?;
    }
    Ok(())
}

fn object(gateway: &GatewaySpec) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": gateway.name, "namespace": gateway.namespace},
    })
}

fn serve(client: &Client, gateway: &GatewaySpec) -> Result<()> {
    let (namespace, name) = (gateway.namespace.as_str(), generated_name(&gateway.name));
    // The Service may have been there before (`experiment::apply`): it is the controller's once it says whose it is.
    let service = patience::wait("Cilium's controller to make its Service", || {
        let service: Service = client.get(namespace, &name)?;
        Ok(service.metadata.owner_references.is_some().then_some(service))
    })?;
    let spec = service.spec.context("a Service without a spec")?;
    if spec.allocate_load_balancer_node_ports != Some(false) {
        let ports: Vec<_> = gateway
            .listeners
            .iter()
            .map(|l| json!({"port": l.port, "protocol": "TCP", "nodePort": l.node_port}))
            .collect();
        let patch = Patch::Strategic(json!({"spec": {"ports": ports}}));
        client.run(client.api::<Service>(namespace).patch(&name, &PatchParams::default(), &patch))?;
    }
    let addresses: Vec<_> = gateway.load_balancer_ip.iter().map(|ip| ip.to_string()).collect();
    client.load_balancer(namespace, &name, &addresses.iter().map(String::as_str).collect::<Vec<_>>())
}
