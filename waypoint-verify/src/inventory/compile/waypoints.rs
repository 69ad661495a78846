//! Which container is the waypoint, and what its policy promises of it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pods::Backends;
use crate::inventory::{Container, Item, Pod, Service};
use crate::manifest::Problem;
use crate::model::{Appends, ForwardedFor, Guards};
use crate::policy::{CorrelatedProxy, Loaded, Preserves, WaypointForwardedFor, WaypointPolicySpec};

/// A waypoint is held to what its policy declares, and to nothing else: rewriting is what a waypoint is for.
pub fn guards(spec: &WaypointPolicySpec) -> Guards {
    let waypoint = &spec.waypoint;
    let kept = |part| waypoint.preserves.contains(&part).then(BTreeSet::new);
    let declared = spec.correlation.iter().filter(|one| one.proxy == CorrelatedProxy::Waypoint);
    let correlation: BTreeSet<_> = declared.map(|one| one.header.to_ascii_lowercase()).collect();
    Guards {
        forwarded_for: match waypoint.forwarded_for {
            WaypointForwardedFor::Replaces => ForwardedFor::Replaces,
            WaypointForwardedFor::Appends => ForwardedFor::Appends(Appends::Declared),
            WaypointForwardedFor::Unknown => ForwardedFor::Unknown,
        },
        method: kept(Preserves::Method),
        path: kept(Preserves::Path),
        authority: kept(Preserves::Authority),
        end_to_end_headers: false,
        body: true,
        trace: correlation.contains("traceparent"),
        correlation,
        ..Guards::default()
    }
}

/// A container that is the waypoint of two policies is held to what both declare: no policy can make a promise
/// that weakens another's verdicts.
pub fn both(a: &Guards, b: &Guards) -> Guards {
    let common =
        |a: &Option<BTreeSet<_>>, b: &Option<BTreeSet<_>>| Some(a.as_ref()?.union(b.as_ref()?).cloned().collect());
    Guards {
        forwarded_for: if a.forwarded_for == b.forwarded_for { a.forwarded_for } else { ForwardedFor::Unknown },
        method: common(&a.method, &b.method),
        path: common(&a.path, &b.path),
        authority: common(&a.authority, &b.authority),
        end_to_end_headers: a.end_to_end_headers && b.end_to_end_headers,
        body: a.body && b.body,
        trace: a.trace && b.trace,
        correlation: a.correlation.intersection(&b.correlation).cloned().collect(),
        mirrors: a.mirrors || b.mirrors,
        makes_up: a.makes_up || b.makes_up,
        headers: a.headers.clone(),
        own_addresses: a.own_addresses.clone(),
    }
}

/// Runtime ids of the waypoint's containers: in each pod the one that the Service's target port leads to.
pub fn containers(
    policy: &Loaded,
    service: &Item<Service>,
    backends: &Backends<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for pod in backends.pods.values() {
        let names = match owners(service, backends, pod) {
            Ok(name) => name,
            Err(what) => {
                problems.push(policy.problem(
                    "spec.waypoint.ref",
                    format!("which container of {} ({}) is the waypoint? {what}", pod.key, pod.source),
                    format!("declare the target port of {} as containerPort of exactly one container", service.key),
                ));
                continue;
            }
        };
        let before = ids.len();
        ids.extend(
            pod.value
                .statuses()
                .filter(|status| status.name == names)
                .flat_map(|status| status.ids())
                .map(str::to_owned),
        );
        if ids.len() == before {
            problems.push(policy.finding(
                "spec.waypoint.ref",
                format!("container {names} of {} has no containerID yet", pod.key),
                "dump the pod again when it runs; until then its sockets are unclassified",
            ));
        }
    }
    if ids.is_empty() && !backends.pods.is_empty() && !problems.iter().any(Problem::is_error) {
        problems.push(policy.problem(
            "spec.waypoint.ref",
            format!("no pod of {} has a running container", service.key),
            "wait until the waypoint runs, and dump its pods with their status",
        ));
    }
    ids
}

fn owners(service: &Item<Service>, backends: &Backends<'_>, pod: &Item<Pod>) -> Result<String, String> {
    let containers: Vec<_> = pod.value.lasting_containers().collect();
    if let [only] = containers[..] {
        return Ok(only.name.clone());
    }
    let serves = |container: &Container| {
        let declared =
            || container.ports.iter().filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
        let by_service =
            service.value.spec.ports.iter().filter(|port| port.is_tcp()).any(|port| match &port.target_port {
                None => declared().any(|own| own.container_port == port.port),
                Some(IntOrString::Int(number)) => declared().any(|own| i32::from(own.container_port) == *number),
                Some(IntOrString::String(name)) => declared().any(|own| own.name == *name),
            });
        // A Service without selector has its target ports in its slices.
        let by_slice = service.value.spec.selector.is_empty()
            && declared().any(|own| backends.slice_ports.contains(&own.container_port));
        by_service || by_slice
    };
    let serving: Vec<_> =
        containers.iter().filter(|container| serves(container)).map(|container| container.name.clone()).collect();
    match serving.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let all: Vec<_> = containers.iter().map(|container| container.name.as_str()).collect();
            Err(format!("none of {} declares the target port", all.join(", ")))
        }
        several => Err(format!("{} declare target ports of it", several.join(" and "))),
    }
}
