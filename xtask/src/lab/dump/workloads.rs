//! Pods, and the DaemonSets that own some of them.

use serde_json::{Value, json};

use super::{CREATED, object, owner};
use crate::lab::plan::{Container, Plan, Pod};
use crate::lab::topology::{Qos, Workload, WorkloadKind};

pub(super) fn of(plan: &Plan) -> Vec<Value> {
    let owners = plan.topology.workloads.iter().map(|workload| controller(plan, workload));
    owners.chain(plan.pods.iter().map(|one| pod(plan, one))).collect()
}

/// The object that owns the pods of a workload: a Deployment owns them by way of a ReplicaSet.
fn owner_of(workload: &Workload) -> (&'static str, String) {
    match workload.kind {
        WorkloadKind::DaemonSet => ("DaemonSet", workload.name.clone()),
        WorkloadKind::StatefulSet => ("StatefulSet", workload.name.clone()),
        WorkloadKind::Deployment => ("ReplicaSet", format!("{}-7d9c5b8f4", workload.name)),
    }
}

fn controller(plan: &Plan, workload: &Workload) -> Value {
    let (kind, name) = owner_of(workload);
    let mut out = object(plan, "apps/v1", kind, Some(&workload.namespace), &name);
    out["metadata"]["labels"] = json!(workload.labels);
    if kind == "ReplicaSet" {
        out["metadata"]["ownerReferences"] = owner(plan, "apps/v1", "Deployment", &workload.namespace, &workload.name);
    }
    let containers: Vec<_> = workload
        .containers
        .iter()
        .map(|c| json!({"name": c.name, "image": c.image, "resources": resources(workload.qos)}))
        .collect();
    let template = json!({"metadata": {"labels": workload.labels}, "spec": {"hostNetwork": workload.host_network, "containers": containers}});
    out["spec"] = json!({"selector": {"matchLabels": workload.labels}, "template": template});
    if kind != "DaemonSet" {
        out["spec"]["replicas"] = json!(workload.replicas);
    }
    out
}

/// What makes a container's pod one of this class.
fn resources(qos: Qos) -> Value {
    let some = json!({"cpu": "100m", "memory": "64Mi"});
    match qos {
        Qos::Guaranteed => json!({"requests": some, "limits": some}),
        Qos::Burstable => json!({"requests": some}),
        Qos::BestEffort => json!({}),
    }
}

fn pod(plan: &Plan, pod: &Pod) -> Value {
    let workload = plan.topology.workload(&pod.workload).expect("pods are of workloads of the plan");
    let node = plan.node(&pod.node).expect("pods are placed on nodes of the plan");
    let (kind, owner_name) = owner_of(workload);
    let mut out = object(plan, "v1", "Pod", Some(&pod.namespace), &pod.name);
    out["metadata"]["uid"] = json!(pod.uid);
    out["metadata"]["labels"] = json!(workload.labels);
    out["metadata"]["ownerReferences"] = owner(plan, "apps/v1", kind, &pod.namespace, &owner_name);
    let container = |c: &Container| {
        let ports: Vec<_> =
            c.ports.iter().map(|p| json!({"name": p.name, "containerPort": p.port, "protocol": "TCP"})).collect();
        let mut out = json!({"name": c.name, "image": c.image, "resources": resources(pod.qos)});
        if !ports.is_empty() {
            out["ports"] = ports.into();
        }
        out
    };
    out["spec"] = json!({"nodeName": pod.node, "containers": pod.containers.iter().map(container).collect::<Vec<_>>()});
    if pod.host_network {
        out["spec"]["hostNetwork"] = json!(true);
    }
    let status = |c: &Container| {
        json!({
            "name": c.name,
            "image": c.image,
            "containerID": format!("containerd://{}", c.id),
            "ready": true,
            "started": true,
            "restartCount": c.restarts,
            "state": {"running": {"startedAt": CREATED}},
        })
    };
    let conditions: Vec<_> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| json!({"type": kind, "status": "True"}))
        .collect();
    out["status"] = json!({
        "phase": "Running",
        "conditions": conditions,
        "qosClass": pod.qos,
        "hostIP": node.address.ipv4,
        "hostIPs": node.address.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
        "podIP": pod.address.ipv4,
        "podIPs": pod.address.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
        "startTime": CREATED,
        "containerStatuses": pod.containers.iter().map(status).collect::<Vec<_>>(),
    });
    out
}
