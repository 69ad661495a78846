//! The Kubernetes objects that scenarios change: a store that is applied to, deleted from and read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize as _;
use serde_json::Value;

use super::plan::Plan;
use crate::gateway::{self, Backend, HttpRoute, ReferenceGrant};

const KINDS: [&str; 2] = ["HTTPRoute", "ReferenceGrant"];

/// Kind, namespace, name.
type Key = (String, String, String);

#[derive(Debug, Clone, Default)]
pub struct Objects {
    objects: BTreeMap<Key, Value>,
}

impl Objects {
    /// Those of the topology.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut objects = Self::default();
        plan.topology
            .objects
            .iter()
            .try_for_each(|object| objects.put(object.clone()).context("objects of the topology"))?;
        Ok(objects)
    }

    /// All or none.
    pub(super) fn apply(&mut self, yaml: &str) -> Result<()> {
        let mut new = self.clone();
        for document in serde_norway::Deserializer::from_str(yaml) {
            match Value::deserialize(document).context("not YAML")? {
                Value::Null => {}
                list if list["kind"] == "List" => {
                    let items = list["items"].as_array().cloned().unwrap_or_default();
                    items.into_iter().try_for_each(|object| new.put(object))?;
                }
                object => new.put(object)?,
            }
        }
        *self = new;
        Ok(())
    }

    pub(super) fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let removed = self.objects.remove(&(kind.to_owned(), namespace.to_owned(), name.to_owned()));
        ensure!(removed.is_some(), "there is no {kind} {namespace}/{name}");
        Ok(())
    }

    fn put(&mut self, mut object: Value) -> Result<()> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let kind = text(&object["kind"]).context("an object without a kind")?;
        let name = text(&object["metadata"]["name"]).with_context(|| format!("{kind} without a name"))?;
        let namespace = text(&object["metadata"]["namespace"]).unwrap_or_else(|| "default".to_owned());
        object["metadata"]["namespace"] = Value::from(namespace.as_str());
        let read = match kind.as_str() {
            "HTTPRoute" => HttpRoute::deserialize(&object).map(drop),
            "ReferenceGrant" => ReferenceGrant::deserialize(&object).map(drop),
            _ => bail!("{kind} {namespace}/{name}: the lab applies only {}", KINDS.join(" and ")),
        };
        read.with_context(|| format!("{kind} {namespace}/{name}"))?;
        self.objects.insert((kind, namespace, name), object);
        Ok(())
    }

    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |((k, _, _), _)| k == kind).map(|(_, object)| object)
    }

    /// What the translation to Envoy's configuration needs.
    pub(super) fn input(&self, plan: &Plan) -> gateway::Input {
        let topology = &plan.topology;
        let gateways = topology.gateways.iter().map(|g| gateway::Gateway {
            name: g.name.clone(),
            namespace: g.namespace.clone(),
            listeners: g
                .listeners
                .iter()
                .map(|l| gateway::Listener { name: l.name.clone(), port: l.port, hostname: l.hostname.clone() })
                .collect(),
        });
        let services: BTreeSet<Backend> = topology
            .services
            .iter()
            .flat_map(|s| {
                s.ports.iter().map(|p| Backend {
                    namespace: s.namespace.clone(),
                    service: s.name.clone(),
                    port: p.port,
                })
            })
            .collect();
        let read = "objects are read when they are put in";
        gateway::Input {
            gateways: gateways.collect(),
            routes: self.of_kind("HTTPRoute").map(|object| HttpRoute::deserialize(object).expect(read)).collect(),
            grants: self
                .of_kind("ReferenceGrant")
                .map(|object| ReferenceGrant::deserialize(object).expect(read))
                .collect(),
            services,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::topology::Topology;

    #[test]
    fn a_bad_object_among_good_ones_changes_nothing() {
        let plan = Plan::new("t", &Topology::standard()).unwrap();
        let mut objects = Objects::new(&plan).unwrap();
        let before = objects.of_kind("HTTPRoute").count();
        let rows = [
            (
                "{apiVersion: v1, kind: HTTPRoute, metadata: {name: x}, spec: {parentRefs: [], rules: [{matchs: []}]}}",
                "unknown field `matchs`",
            ),
            ("{apiVersion: v1, kind: Secret, metadata: {name: x}}", "the lab applies only"),
        ];
        for (bad, expected) in rows {
            let good = "{apiVersion: v1, kind: HTTPRoute, metadata: {name: good}, spec: {parentRefs: [], rules: []}}";
            let error = format!("{:#}", objects.apply(&format!("{good}\n---\n{bad}\n")).unwrap_err());
            assert!(error.contains(expected), "{error}");
            assert_eq!(objects.of_kind("HTTPRoute").count(), before);
        }
    }
}
