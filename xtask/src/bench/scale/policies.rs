//! More policies than one: copies of the experiment's, among which its waypoints and targets are divided by their pods' numbers.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

use super::Shape;
use crate::cluster::ApiServer;
use crate::cluster::experiment::Cluster;
use crate::cluster::installation::{NAMESPACE, policies};
use crate::cluster::populate::together;
use crate::demo::cluster::POLICY;
use crate::lab::patience;

const DIVIDED: [&str; 2] = ["hello-waypoint", "hello-backend"];
/// A pod's label: whose it is.
const GROUP: &str = "group";

/// Services and policies in the API server instead of the experiment's policy, so that each partition has as many as the others; the
/// policies' names. One policy: the experiment's.
pub fn divide(cluster: &Cluster, shape: Shape) -> Result<Vec<String>> {
    if shape.policies <= 1 {
        return Ok(vec![POLICY.1.to_owned()]);
    }
    let (server, client) = (&cluster.server, cluster.server.client());
    let pods = DIVIDED.iter().flat_map(|workload| cluster.plan.pods_of(workload)).map(|pod| json!(pod.name));
    let pods: Vec<_> = pods.collect();
    let api = client.api::<Pod>(POLICY.0);
    together(&pods, |name| {
        let name = name.as_str().context("a pod's name")?;
        let number: u16 = name.rsplit('-').next().unwrap_or_default().parse().with_context(|| name.to_owned())?;
        let patch = json!({"metadata": {"labels": {GROUP: (number % shape.policies).to_string()}}});
        Ok(client.run(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)))?)
    })?;
    for (workload, group) in DIVIDED.iter().flat_map(|workload| (0..shape.policies).map(move |group| (workload, group)))
    {
        let found = cluster.plan.topology.services.iter().find(|service| service.name == *workload);
        let ports = &found.context("the standard topology has the experiment's Services")?.ports;
        let ports: Vec<_> = ports
            .iter()
            .map(|port| json!({"name": port.name, "port": port.port, "targetPort": port.target_port}))
            .collect();
        client.create(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("{workload}-{group}"), "namespace": POLICY.0},
            "spec": {"selector": {"app": workload, GROUP: group.to_string()}, "ports": ports},
        }))?;
    }
    client.endpoint_slices(POLICY.0)?;
    let all = policies(server, POLICY.0)?;
    let original = client.run(all.get(POLICY.1))?;
    client.run(all.delete(POLICY.1, &DeleteParams::default()))?;
    (0..shape.policies)
        .map(|group| {
            let mut spec = original.data["spec"].clone();
            spec["targetRefs"][0]["name"] = json!(format!("hello-backend-{group}"));
            spec["waypoint"]["ref"]["name"] = json!(format!("hello-waypoint-{group}"));
            let name = format!("{}-{group}", POLICY.1);
            create_in(server, &name, &spec, group % shape.partitions, shape.partitions)?;
            Ok(name)
        })
        .collect()
}

/// Its UID decides where a policy belongs, and that is the API server's to choose: until it is the wanted one.
fn create_in(server: &ApiServer, name: &str, spec: &Value, wanted: u16, partitions: u16) -> Result<()> {
    let (client, all) = (server.client(), policies(server, POLICY.0)?);
    let policy = serde_json::from_value(json!({
        "apiVersion": "waypoint-verify.dev/v1alpha1", "kind": "WaypointPolicy",
        "metadata": {"name": name, "namespace": POLICY.0}, "spec": spec,
    }))?;
    for _ in 0..256 {
        let made = client.run(all.create(&PostParams::default(), &policy))?;
        if partition(&made.metadata.uid.context("it has no UID")?, partitions) == wanted {
            return Ok(());
        }
        client.run(all.delete(name, &DeleteParams::default()))?;
    }
    bail!("no UID of 256 is of partition {wanted}")
}

/// As the verifier has it (`verifier::partition`), which this crate is built before.
fn partition(uid: &str, of: u16) -> u16 {
    let mut hasher = SipHasher13::new();
    uid.hash(&mut hasher);
    u16::try_from(hasher.finish() % u64::from(of)).unwrap_or_default()
}

/// Waits until every verifier holds its share of the Leases.
pub fn shared_out(server: &ApiServer, shape: Shape) -> Result<()> {
    let leases = server.client().api::<Lease>(NAMESPACE);
    let (least, most) = (shape.partitions / shape.verifiers, shape.partitions.div_ceil(shape.verifiers));
    patience::wait("the verifiers to share out the partitions", || {
        let mut held: BTreeMap<String, u16> = BTreeMap::new();
        for lease in server.client().run(leases.list(&ListParams::default()))? {
            let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            *held.entry(holder).or_default() += 1;
        }
        let all_have = held.len() == usize::from(shape.verifiers.min(shape.partitions));
        Ok((all_have && held.values().all(|held| (least..=most).contains(held))).then_some(()))
    })
}
