//! From a CiliumEnvoyConfig to what an Envoy of the oracle can serve, as Cilium's agent does it: names of its own for every resource,
//! routes inside their listener, endpoints of clusters. Nothing else is changed but one thing: which backend of a weighted route is
//! taken is decided by a header, if it is there.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::model::Backend;
use super::tls;
use super::translate::Set;

/// The header that decides, a number: see `header_name` of Envoy's WeightedCluster.
pub const DRAW: &str = "x-oracle-draw";

#[derive(Debug, Default)]
pub struct Adapted {
    pub listeners: Vec<Value>,
    pub clusters: Vec<Value>,
    /// Service, port, and the name of the listener that serves it.
    pub fronts: Vec<((String, String), u16, String)>,
    /// How many draws try everything.
    pub draws: u64,
}

/// `port` says where a backend listens.
pub fn adapt(
    world: &str,
    set: &Set,
    config: &Value,
    port: &mut impl FnMut(&Backend) -> Result<u16>,
) -> Result<Adapted> {
    let name = format!("{world}/{}/{}", text(config, "/metadata/namespace"), text(config, "/metadata/name"));
    let resources = config["spec"]["resources"].as_array().context("no resources")?;
    let of = |kind: &'static str| resources.iter().filter(move |r| text(r, "/@type").ends_with(kind));
    let mut adapted = Adapted { draws: 1, ..Adapted::default() };
    let mut tables = Map::new();
    for table in of(".RouteConfiguration") {
        let mut table = table.clone();
        qualify(&mut table, &name, &mut adapted.draws);
        tables.insert(text(&table, "/name").to_owned(), table);
    }
    for listener in of(".Listener") {
        let mut listener = listener.clone();
        qualify(&mut listener, &name, &mut adapted.draws);
        adapted.listeners.push(self::listener(&listener, &name, &tables)?);
    }
    for cluster in of(".Cluster") {
        adapted.clusters.push(self::cluster(cluster, &name, set, port)?);
    }
    let first = of(".Listener").next().map_or("", |listener| text(listener, "/name"));
    for service in config["spec"]["services"].as_array().into_iter().flatten() {
        let listener = service["listener"].as_str().filter(|name| !name.is_empty()).unwrap_or(first);
        let front = (text(service, "/namespace").to_owned(), text(service, "/name").to_owned());
        for port in service["ports"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
            adapted.fronts.push((front.clone(), u16::try_from(port)?, format!("{name}/{listener}")));
        }
    }
    Ok(adapted)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Names of clusters in routes are made those of this configuration.
fn qualify(value: &mut Value, name: &str, draws: &mut u64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| qualify(item, name, draws)),
        Value::Object(fields) => {
            // Of a TCP proxy nobody can choose: it is asked as often as its weights come to, a few times over.
            let is_tcp =
                fields.get("@type").is_some_and(|kind| kind.as_str().is_some_and(|kind| kind.ends_with(".TcpProxy")));
            if let Some(Value::String(cluster)) = fields.get_mut("cluster") {
                *cluster = format!("{name}/{cluster}");
            }
            if let Some(weighted) = fields.get_mut("weightedClusters") {
                if !is_tcp {
                    weighted["headerName"] = json!(DRAW);
                }
                let mut sum = 0;
                for cluster in weighted["clusters"].as_array_mut().into_iter().flatten() {
                    sum += cluster["weight"].as_u64().unwrap_or(0);
                    cluster["name"] = json!(format!("{name}/{}", text(cluster, "/name")));
                }
                *draws = (if is_tcp { 4 * sum } else { sum }).max(*draws);
            }
            fields.values_mut().for_each(|field| qualify(field, name, draws));
        }
        _ => {}
    }
}

fn listener(resource: &Value, name: &str, tables: &Map<String, Value>) -> Result<Value> {
    let mut out = resource.clone();
    out["name"] = json!(format!("{name}/{}", text(resource, "/name")));
    out["address"] = json!({"socketAddress": {"address": "127.0.0.1", "portValue": 0}});
    out["enableReusePort"] = json!(false);
    for chain in out["filterChains"].as_array_mut().into_iter().flatten() {
        for filter in chain["filters"].as_array_mut().into_iter().flatten() {
            let config = filter["typedConfig"].as_object_mut().context("a filter without configuration")?;
            if let Some(rds) = config.remove("rds") {
                let table = text(&rds, "/routeConfigName");
                let routes = tables.get(table).with_context(|| format!("{name} has no routes {table:?}"))?;
                config.insert("routeConfig".to_owned(), routes.clone());
            }
        }
        // By name it would be asked of a server of secrets.
        if chain["transportSocket"].is_object() {
            let certificate = json!({
                "certificateChain": {"inlineString": tls::IDENTITY.certificate},
                "privateKey": {"inlineString": tls::IDENTITY.key},
            });
            chain["transportSocket"]["typedConfig"] = json!({
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "commonTlsContext": {"tlsCertificates": [certificate]},
            });
        }
    }
    Ok(out)
}

/// A cluster whose Service has this port has one endpoint, any other one none.
fn cluster(resource: &Value, name: &str, set: &Set, port: &mut impl FnMut(&Backend) -> Result<u16>) -> Result<Value> {
    let mut out = resource.clone();
    let own = format!("{name}/{}", text(resource, "/name"));
    let fields = out.as_object_mut().context("a cluster is an object")?;
    fields.remove("edsClusterConfig");
    fields.insert("name".to_owned(), json!(own));
    fields.insert("type".to_owned(), json!("STATIC"));
    let mut endpoints = Vec::new();
    if let Some(backend) = backend(text(resource, "/edsClusterConfig/serviceName"), set) {
        let address = json!({"socketAddress": {"address": "127.0.0.1", "portValue": port(&backend)?}});
        endpoints.push(json!({"endpoint": {"address": address}}));
    }
    fields.insert("loadAssignment".to_owned(), json!({"clusterName": own, "endpoints": [{"lbEndpoints": endpoints}]}));
    Ok(out)
}

/// `NAMESPACE/NAME:PORT`, the port by number or by name.
fn backend(service: &str, set: &Set) -> Option<Backend> {
    let (namespace, rest) = service.split_once('/')?;
    let (name, wanted) = rest.rsplit_once(':')?;
    let object = set.objects.iter().find(|object| {
        object["kind"] == "Service"
            && object["metadata"]["namespace"] == namespace
            && object["metadata"]["name"] == name
    })?;
    let port = object["spec"]["ports"]
        .as_array()?
        .iter()
        .find(|port| port["port"].as_u64() == wanted.parse().ok() || port["name"] == wanted)?;
    let port = u16::try_from(port["port"].as_u64()?).ok()?;
    Some(Backend { namespace: namespace.to_owned(), service: name.to_owned(), port })
}
