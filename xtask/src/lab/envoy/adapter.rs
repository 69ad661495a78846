//! The part of Cilium's agent that the lab stands in for: from the CiliumEnvoyConfigs, Services and EndpointSlices that an API server
//! lists to what a node's Envoy can serve.
//!
//! The resources are taken as Cilium's operator wrote them. What the agent adds is added here: qualified names, the addresses of the
//! Services that lead to a listener, the endpoints of each cluster, and the source address of what a Gateway dials (facts A2, A3).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Config;
use super::config::{file_source, route_file, socket_address};
use crate::lab::plan::Node;

/// A v1 List, searched.
struct Listed<'a>(&'a [Value]);

impl<'a> Listed<'a> {
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    fn service(&self, namespace: &str, name: &str) -> Option<&'a Value> {
        self.of_kind("Service").find(|s| s["metadata"]["namespace"] == namespace && s["metadata"]["name"] == name)
    }
}

/// The whole configuration of one node's Envoy, by everything that `cluster` lists. Clusters of one name are one, whoever needs them.
pub fn of_node(cluster: &Value, node: &Node, dir: &Path) -> Result<Config> {
    let listed = Listed(cluster["items"].as_array().context("not a List: it has no items")?);
    let mut config = Config { listeners: Vec::new(), clusters: Vec::new(), routes: BTreeMap::new() };
    let mut clusters = BTreeMap::new();
    for object in listed.of_kind("CiliumEnvoyConfig") {
        let name = format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        for resource in object["spec"]["resources"].as_array().into_iter().flatten() {
            let adapted = match text(resource, "/@type").rsplit('.').next() {
                Some("Listener") => {
                    listener(&listed, object, resource, &name, node, dir).map(|l| config.listeners.push(l))
                }
                Some("RouteConfiguration") => {
                    let mut routes = resource.clone();
                    let qualified = format!("{name}/{}", text(resource, "/name"));
                    routes["name"] = json!(qualified);
                    config.routes.insert(qualified, routes);
                    Ok(())
                }
                Some("Cluster") => endpoints(&listed, resource, node).map(|cluster| {
                    clusters.insert(text(resource, "/name").to_owned(), cluster);
                }),
                _ => bail!("CiliumEnvoyConfig {name}: a resource {}: the lab knows no such", resource["@type"]),
            };
            adapted.with_context(|| format!("CiliumEnvoyConfig {name}"))?;
        }
    }
    config.clusters = clusters.into_values().collect();
    Ok(config)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A listener at every address of the Services that its configuration names.
fn listener(listed: &Listed, object: &Value, resource: &Value, name: &str, node: &Node, dir: &Path) -> Result<Value> {
    let mut out = resource.clone();
    out["name"] = json!(format!("{name}/{}", text(resource, "/name")));
    for filter in filters(&mut out) {
        let Some(route) = filter.pointer("/typedConfig/rds/routeConfigName").and_then(Value::as_str) else {
            bail!("a filter chain without routes by name: the lab serves plain HTTP only");
        };
        let qualified = format!("{name}/{route}");
        let source = file_source(&dir.join(format!("{}.json", route_file(&qualified))));
        filter["typedConfig"]["rds"] = json!({"routeConfigName": qualified, "configSource": source});
    }
    let mut addresses = Vec::new();
    for reference in object["spec"]["services"].as_array().into_iter().flatten() {
        let (namespace, service) = (text(reference, "/namespace"), text(reference, "/name"));
        let service = listed
            .service(namespace, service)
            .with_context(|| format!("Service {namespace}/{service} is not there"))?;
        addresses.extend(fronts(service, node)?);
    }
    let mut addresses = addresses.into_iter().map(|(ip, port)| socket_address(ip, port));
    out["address"] = addresses.next().context("no Service leads to its listener")?;
    out["additionalAddresses"] = addresses.map(|address| json!({"address": address})).collect();
    Ok(out)
}

fn filters(listener: &mut Value) -> impl Iterator<Item = &mut Value> {
    let chains = listener["filterChains"].as_array_mut().into_iter().flatten();
    chains.flat_map(|chain| chain["filters"].as_array_mut().into_iter().flatten())
}

/// Where Cilium hands connections to a Service over to this node's Envoy.
fn fronts(service: &Value, node: &Node) -> Result<Vec<(IpAddr, u16)>> {
    let mut ips = Vec::new();
    for ip in service["spec"]["clusterIPs"].as_array().into_iter().flatten() {
        ips.push(ip.as_str().unwrap_or_default().parse().context("clusterIPs")?);
    }
    for ingress in service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten() {
        ips.push(text(ingress, "/ip").parse().context("status.loadBalancer.ingress")?);
    }
    let mut fronts = Vec::new();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let number = |field: &str| port[field].as_u64().and_then(|n| u16::try_from(n).ok());
        let own = number("port").context("a port without a number")?;
        fronts.extend(ips.iter().map(|ip| (*ip, own)));
        fronts.extend(number("nodePort").into_iter().flat_map(|port| node.address.iter().map(move |ip| (ip, port))));
    }
    Ok(fronts)
}

/// A cluster with the addresses that EndpointSlices have for its Service's port.
fn endpoints(listed: &Listed, resource: &Value, node: &Node) -> Result<Value> {
    let name = text(resource, "/edsClusterConfig/serviceName");
    let parts = name.split_once('/').and_then(|(namespace, rest)| Some((namespace, rest.rsplit_once(':')?)));
    let (namespace, (service, port)) = parts.with_context(|| format!("{name:?} is no Service's port"))?;
    let number: u64 = port.parse().with_context(|| format!("{name:?} is no Service's port"))?;
    let ports = listed.service(namespace, service).map(|s| &s["spec"]["ports"]).and_then(Value::as_array);
    let port = ports.into_iter().flatten().find(|p| p["port"].as_u64() == Some(number)).map(|p| text(p, "/name"));
    let slices = listed.of_kind("EndpointSlice").filter(|slice| {
        slice["metadata"]["namespace"] == namespace
            && slice["metadata"]["labels"]["kubernetes.io/service-name"] == service
            // The lab's pods are dialled by IPv4, as its Envoys have an ingress address of that family to do it from.
            && slice["addressType"] == "IPv4"
    });
    let mut found = Vec::new();
    for slice in slices {
        let numbers = slice["ports"].as_array().into_iter().flatten().filter(|p| Some(text(p, "/name")) == port);
        for number in numbers.filter_map(|p| p["port"].as_u64()) {
            let ready =
                slice["endpoints"].as_array().into_iter().flatten().filter(|e| e["conditions"]["ready"] != false);
            for address in ready.flat_map(|e| e["addresses"].as_array().into_iter().flatten()) {
                let address = json!({"socketAddress": {"address": address, "portValue": number}});
                found.push(json!({"endpoint": {"address": address}}));
            }
        }
    }
    let mut out = resource.clone();
    let fields = out.as_object_mut().context("a cluster is an object")?;
    fields.remove("edsClusterConfig");
    fields.insert("type".to_owned(), json!("STATIC"));
    let assignment = json!({"clusterName": resource["name"], "endpoints": [{"lbEndpoints": found}]});
    fields.insert("loadAssignment".to_owned(), assignment);
    let source = json!({"address": node.ingress.v4(), "portValue": 0});
    fields.insert("upstreamBindConfig".to_owned(), json!({"sourceAddress": source}));
    Ok(out)
}

#[cfg(test)]
mod tests;
