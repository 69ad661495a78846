//! The lab in the API server: its nodes, and the pods that controllers, scheduler and kubelets would have made of the applied workloads.
//!
//! Identities go both ways. The API server alone gives UIDs, and the lab's cgroups are named by them: so the plan takes them over, and
//! the lab is built from the plan afterwards (`Lab::up_planned`).

mod gateways;

use anyhow::{Context, Result, bail, ensure};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::{ApiServer, Client};
use crate::lab::dump;
use crate::lab::plan::Plan;

pub use gateways::gateways;

/// Requests to the API server.
const AT_ONCE: usize = 8;

/// Nodes, CiliumNodes, the workloads that nobody has applied (Cilium's own), and every pod of the plan, running and ready; then the
/// EndpointSlices. Pods are made of the template that their workload has in the API server.
pub fn populate(server: &ApiServer, plan: &mut Plan) -> Result<()> {
    let client = server.client();
    together(&dump::nodes(plan), |object| match object["kind"].as_str() {
        // An applied one has labels that this would not know of.
        Some("Namespace") => match get(client, object)? {
            Some(_) => Ok(()),
            None => client.namespace(text(object, "/metadata/name")),
        },
        _ => put(client, object),
    })?;
    // The workloads first: pods are theirs.
    let (pods, workloads): (Vec<_>, Vec<_>) =
        dump::workloads(plan).into_iter().partition(|object| object["kind"] == "Pod");
    for workload in &workloads {
        own(client, workload)?;
    }
    for (pod, uid) in pods.iter().zip(together(&pods, |pod| make(client, pod))?) {
        plan.adopt(text(pod, "/metadata/name"), &uid)?;
    }
    // Once more from the plan: it knows their UIDs now, and the containers' ids follow from them.
    let pods: Vec<_> = dump::workloads(plan).into_iter().filter(|object| object["kind"] == "Pod").collect();
    together(&pods, |pod| status(client, pod))?;
    let mut namespaces: Vec<_> = plan.pods.iter().map(|pod| pod.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces.into_iter().try_for_each(|namespace| client.endpoint_slices(namespace))
}

/// For each of them, several at once: one request after the other takes minutes for thousands of pods. What was returned, in order.
pub(crate) fn together<T: Send>(items: &[Value], each: impl Fn(&Value) -> Result<T> + Sync) -> Result<Vec<T>> {
    let each = &each;
    std::thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(items.len().div_ceil(AT_ONCE).max(1))
            .map(|part| scope.spawn(move || part.iter().map(each).collect::<Result<Vec<T>>>()))
            .collect();
        let mut all = Vec::with_capacity(items.len());
        for part in parts {
            all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}

/// A pod's containers as the plan has them now: after a restart of one of them.
pub fn restarted(server: &ApiServer, plan: &Plan, pod: &str) -> Result<()> {
    let found = dump::workloads(plan).into_iter().find(|o| o["kind"] == "Pod" && text(o, "/metadata/name") == pod);
    status(server.client(), &found.with_context(|| format!("the plan has no pod {pod}"))?)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn api(client: &Client, object: &Value) -> Result<(Api<DynamicObject>, String)> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let name = object.metadata.name.clone().context("an object without a name")?;
    Ok((client.api_of(&object)?, name))
}

fn get(client: &Client, object: &Value) -> Result<Option<Value>> {
    let (api, name) = api(client, object)?;
    Ok(client.run(api.get_opt(&name))?.map(serde_json::to_value).transpose()?)
}

/// Applies an object of a dump without what only the server may set, and its status after it.
fn put(client: &Client, object: &Value) -> Result<()> {
    client.apply_one(serde_json::from_value(wanted(object))?)?;
    status(client, object)
}

fn wanted(object: &Value) -> Value {
    let mut out = object.clone();
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        out["metadata"].as_object_mut().map(|metadata| metadata.remove(field));
    }
    out.as_object_mut().map(|fields| fields.remove("status"));
    out
}

fn status(client: &Client, object: &Value) -> Result<()> {
    if object["status"].is_null() {
        return Ok(());
    }
    let (api, name) = api(client, object)?;
    let patch = Patch::Merge(json!({"status": object["status"]}));
    let outcome = client.run(api.patch_status(&name, &PatchParams::default(), &patch));
    outcome.with_context(|| format!("status of {} {name}", text(object, "/kind")))?;
    Ok(())
}

/// What owns pods. A Deployment's ReplicaSet gets the Deployment's own template, as its controller would write it.
fn own(client: &Client, workload: &Value) -> Result<()> {
    if get(client, workload)?.is_some() {
        return Ok(());
    }
    let mut out = wanted(workload);
    let owner = out["metadata"]["ownerReferences"].take();
    let deployment = owner.get(0).map(|owner| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": owner["name"], "namespace": out["metadata"]["namespace"]},
        })
    });
    out["metadata"].as_object_mut().map(|metadata| metadata.remove("ownerReferences"));
    if let Some(deployment) = deployment.map(|wanted| get(client, &wanted)).transpose()?.flatten() {
        out["metadata"]["ownerReferences"] = owned_by(&deployment);
        out["spec"]["template"] = deployment["spec"]["template"].clone();
    }
    client.apply_one(serde_json::from_value(out)?)?;
    Ok(())
}

fn owned_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A pod on its node, under its workload. Returns its UID.
fn make(client: &Client, pod: &Value) -> Result<String> {
    let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let reference = &pod["metadata"]["ownerReferences"][0];
    let owner = json!({
        "apiVersion": reference["apiVersion"], "kind": reference["kind"],
        "metadata": {"name": reference["name"], "namespace": namespace},
    });
    let owner = get(client, &owner)?.with_context(|| format!("pod {namespace}/{name}: its owner is not there"))?;
    let template = &owner["spec"]["template"];
    let mut out = wanted(pod);
    out["metadata"]["labels"] = template["metadata"]["labels"].clone();
    out["metadata"]["ownerReferences"] = owned_by(&owner);
    let planned = out["spec"].take();
    out["spec"] = template["spec"].clone();
    out["spec"]["nodeName"] = planned["nodeName"].clone();
    agree(&planned, &out["spec"])
        .with_context(|| format!("pod {namespace}/{name}: the manifests and the lab's topology"))?;
    let made = client.create(&out)?;
    let qos = &made.data["status"]["qosClass"];
    ensure!(
        *qos == pod["status"]["qosClass"],
        "pod {namespace}/{name}: the lab's cgroups are for {}, and its resources make it {qos}",
        pod["status"]["qosClass"]
    );
    made.metadata.uid.context("a pod without a UID")
}

/// Same containers, same ports by the same names.
fn agree(planned: &Value, applied: &Value) -> Result<()> {
    let of = |spec: &Value| -> Vec<(String, Vec<(String, u64)>)> {
        let ports = |container: &Value| {
            let ports = container["ports"].as_array().into_iter().flatten();
            ports.map(|p| (text(p, "/name").to_owned(), p["containerPort"].as_u64().unwrap_or(0))).collect()
        };
        let containers = spec["containers"].as_array().into_iter().flatten();
        containers.map(|c| (text(c, "/name").to_owned(), ports(c))).collect()
    };
    let (planned, applied) = (of(planned), of(applied));
    if planned != applied {
        bail!("have different containers or ports: {applied:?} and {planned:?}");
    }
    Ok(())
}
