//! Pods and containers by the ids that are found on the machine; the pods behind a Service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::inventory::{EndpointSlice, Inventory, Item, Pod, Service, matches_labels};
use crate::model::{ContainerRef, NamespacedName, PodRef, WatchList};

pub fn name_all(inventory: &Inventory, watch: &mut WatchList) {
    for pod in inventory.pods.values() {
        watch.pods.insert(pod.meta.uid.clone(), (pod.name(), pod.value.spec.node_name.clone()));
        for status in pod.value.statuses() {
            for id in status.ids() {
                let container = ContainerRef {
                    node: pod.value.spec.node_name.clone(),
                    pod: PodRef {
                        namespace: pod.key.namespace.clone(),
                        name: pod.key.name.clone(),
                        uid: pod.meta.uid.clone(),
                    },
                    name: status.name.clone(),
                    id: id.to_owned(),
                };
                watch.containers.insert(id.to_owned(), Arc::new(container));
            }
        }
    }
}

/// What a Service leads to: by its selector and by its EndpointSlices, both.
#[derive(Debug, Default)]
pub struct Backends<'a> {
    pub pods: BTreeMap<NamespacedName, &'a Item<Pod>>,
    /// Endpoint addresses that are no pod's.
    pub others: Vec<String>,
    /// Port numbers of the EndpointSlices.
    pub slice_ports: Vec<u16>,
}

pub fn behind<'a>(inventory: &'a Inventory, service: &Item<Service>) -> Backends<'a> {
    let namespace = &service.key.namespace;
    let mut backends = Backends::default();
    let live = || inventory.pods.values().filter(|pod| !pod.value.is_over());
    let selected = live().filter(|pod| {
        pod.key.namespace == *namespace && matches_labels(&service.value.spec.selector, &pod.meta.labels)
    });
    backends.pods.extend(selected.map(|pod| (pod.name(), pod)));

    for slice in slices(inventory, service) {
        backends.slice_ports.extend(slice.value.ports.iter().filter_map(|port| port.port));
        for endpoint in &slice.value.endpoints {
            let target = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod");
            let named = target.and_then(|target| {
                let namespace = if target.namespace.is_empty() { namespace } else { &target.namespace };
                let name = NamespacedName { namespace: namespace.clone(), name: target.name.clone() };
                // A pod of the same name with another UID is another pod.
                inventory.pods.get(&name).filter(|pod| target.uid.is_empty() || pod.meta.uid == target.uid)
            });
            if let Some(pod) = named {
                backends.pods.insert(pod.name(), pod);
                continue;
            }
            for address in &endpoint.addresses {
                let ip: Option<IpAddr> = address.parse().ok();
                let mut owners = live().filter(|pod| {
                    !pod.value.spec.host_network && ip.is_some_and(|ip| pod.value.ips().any(|own| own == ip))
                });
                match owners.next() {
                    Some(pod) => {
                        backends.pods.insert(pod.name(), pod);
                    }
                    None => backends.others.push(address.clone()),
                }
            }
        }
    }
    backends
}

fn slices<'a>(inventory: &'a Inventory, service: &Item<Service>) -> impl Iterator<Item = &'a Item<EndpointSlice>> {
    let (namespace, name) = (service.key.namespace.clone(), service.key.name.clone());
    inventory.endpoint_slices.values().filter(move |slice| {
        slice.key.namespace == namespace && slice.meta.labels.get("kubernetes.io/service-name") == Some(&name)
    })
}
