//! What `waypoint-verify routes` says of the same objects and requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use waypoint_verify::manifest::{Object, ObjectKey};
use waypoint_verify::model::NamespacedName;
use waypoint_verify::routes::dialect::CILIUM_CONTROLLER;
use waypoint_verify::routes::table::{Action, Front, Speaks, Table};
use waypoint_verify::routes::{self, Dialect, World};

use super::model::{Backend, Request};
use super::translate::Set;

/// The tables of every Gateway of a set.
pub struct Predictions {
    tables: BTreeMap<(String, String), Vec<Table>>,
}

/// Everything that may come of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Predicted {
    pub backends: BTreeSet<Backend>,
    pub mirrors: BTreeSet<Backend>,
    pub redirect: bool,
    pub own: BTreeSet<u16>,
    /// Some table leads here.
    pub front: bool,
    /// Some table of the Gateway is one that Envoy does not take.
    pub refused: bool,
}

impl Predictions {
    pub fn of(set: &Set) -> Self {
        let world = World::from_objects(set.objects.iter().map(object));
        let served = world.gateways.values().filter(|gateway| {
            let controller = world.classes.get(&gateway.value.gateway_class_name).map(|class| class.value.as_str());
            controller == Some(CILIUM_CONTROLLER)
        });
        let tables = served.map(|gateway| {
            let listeners = routes::listeners(&world, gateway);
            let front = (gateway.key.namespace.clone(), format!("cilium-gateway-{}", gateway.key.name));
            (front, Dialect::Cilium120.tables(&world, &listeners))
        });
        Self { tables: tables.collect() }
    }

    pub fn predict(&self, request: &Request) -> Predicted {
        let mut predicted = Predicted::default();
        for table in self.tables.get(&request.front).into_iter().flatten() {
            // The oracle has a Gateway's tables in one Envoy listener: all are refused with one.
            predicted.refused |= table.refused.is_some();
            let speaks =
                |front: &&Front| front.port == request.port && (front.speaks == Speaks::Http) == request.tls.is_none();
            let Some(front) = table.fronts.iter().find(speaks) else { continue };
            let mut asked = asked(request);
            // Passed-through TLS goes by the name that TLS asks for.
            if let (Speaks::TlsPassthrough, Some(name)) = (front.speaks, &request.tls) {
                name.clone_into(&mut asked.host);
            }
            predicted.front = true;
            let answer = table.answer(&asked);
            let backend = |backend: &routes::table::Backend| {
                let NamespacedName { namespace, name } = backend.service.clone();
                Backend { namespace, service: name, port: backend.port }
            };
            predicted.backends.extend(answer.backends().into_iter().map(backend));
            predicted.mirrors.extend(answer.mirrors().into_iter().map(backend));
            if answer.nothing {
                predicted.own.insert(404);
            }
            for action in answer.actions {
                match action {
                    Action::Redirect(_) => predicted.redirect = true,
                    Action::Status(status) => {
                        predicted.own.insert(*status);
                    }
                    Action::Forward(_) => {}
                }
            }
        }
        predicted
    }
}

fn object(json: &Value) -> Object {
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let api_version = text("/apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    Object {
        key: ObjectKey {
            group: group.to_owned(),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        },
        version: version.to_owned(),
        json: Arc::new(json.clone()),
        source: "generated".into(),
    }
}

fn asked(request: &Request) -> routes::Request {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    routes::Request {
        method: request.method.clone(),
        scheme: if request.tls.is_some() { "https" } else { "http" }.to_owned(),
        host: request.host.clone(),
        path: path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
        headers: request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
    }
}
