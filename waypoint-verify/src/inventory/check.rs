//! What is wrong between objects: things that must be unique and are not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;

use super::{Inventory, Item, Pod};
use crate::manifest::Problem;

pub fn check(inventory: &Inventory, problems: &mut Vec<Problem>) {
    let pods = || inventory.pods.values();
    unique(problems, "metadata.uid", "UID", "pods", pods().map(|pod| (pod, pod.meta.uid.clone())));
    unique(
        problems,
        "status.podIPs",
        "address",
        "pods",
        pods()
            .filter(|pod| !pod.value.spec.host_network && !pod.value.is_over())
            .flat_map(|pod| pod.value.ips().map(move |ip| (pod, ip))),
    );
    unique(
        problems,
        "status.containerStatuses",
        "container id",
        "pods",
        pods().flat_map(|pod| pod.value.statuses().flat_map(|status| status.ids()).map(move |id| (pod, id.to_owned()))),
    );
}

fn unique<'a, K: Ord + Display>(
    problems: &mut Vec<Problem>,
    field: &str,
    what: &str,
    of: &str,
    claims: impl Iterator<Item = (&'a Item<Pod>, K)>,
) {
    let mut owners: BTreeMap<K, &Item<Pod>> = BTreeMap::new();
    for (pod, key) in claims {
        match owners.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(pod);
            }
            Entry::Occupied(entry) if entry.get().key == pod.key => {}
            Entry::Occupied(entry) => problems.push(pod.problem(
                field,
                format!("{what} {} is also that of {} ({})", entry.key(), entry.get().key, entry.get().source),
                format!("no two {of} have one {what}: dump the cluster at one moment, and remove old files"),
            )),
        }
    }
}
