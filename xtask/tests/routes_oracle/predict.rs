//! What `waypoint-verify routes` says of the same objects and requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use waypoint_verify::manifest::{Object, ObjectKey};
use waypoint_verify::model::NamespacedName;
use waypoint_verify::routes::dialect::CILIUM_CONTROLLER;
use waypoint_verify::routes::ingress::{self, Settings};
use waypoint_verify::routes::table::{Action, Front, Speaks, Table};
use waypoint_verify::routes::{self, Dialect, World};

use super::model::{Backend, Request};
use super::requests::SHARED;
use super::translate::Set;

/// The operator's defaults.
pub const SETTINGS: Settings = Settings { shared: false, https: true, secret: false };

/// The tables of every Gateway and Ingress of a set.
pub struct Predictions {
    world: World,
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
    /// What a proxy answers itself is not said.
    pub anything: bool,
}

impl Predicted {
    /// How many different things may come of it.
    pub fn possibilities(&self) -> usize {
        self.backends.len() + usize::from(self.redirect) + self.own.len()
    }
}

impl Predictions {
    pub fn of(set: &Set) -> Self {
        let world = world(set);
        let served = world.gateways.values().filter(|gateway| {
            let controller = world.classes.get(&gateway.value.gateway_class_name).map(|class| class.value.as_str());
            controller == Some(CILIUM_CONTROLLER)
        });
        let tables = served.map(|gateway| {
            let listeners = routes::listeners(&world, gateway);
            let front = (gateway.key.namespace.clone(), format!("cilium-gateway-{}", gateway.key.name));
            (front, Dialect::Cilium120.tables(&world, &listeners))
        });
        let mut tables: BTreeMap<_, _> = tables.collect();
        for ingress in world.ingresses.values().filter(|ingress| ingress::is_served(ingress) == Some(true)) {
            let own = (ingress.key.namespace.clone(), format!("{}-{}", SHARED.1, ingress.key.name));
            let at =
                if ingress::is_shared(ingress, SETTINGS) { (SHARED.0.to_owned(), SHARED.1.to_owned()) } else { own };
            tables.insert(at, ingress::tables(&world, ingress, SETTINGS));
        }
        Self { tables, world }
    }

    /// At a Service with routes of its own: which of them is taken `routes` does not say.
    fn at_service(&self, request: &Request) -> Predicted {
        let (namespace, name) = request.front.clone();
        let from = routes::table::Backend { service: NamespacedName { namespace, name }, port: request.port };
        let mut predicted = Predicted {
            backends: BTreeSet::from([backend(&from)]),
            refused: true,
            anything: true,
            ..Predicted::default()
        };
        for way in routes::own_ways(&self.world, &from) {
            let of_kind = if way.mirror { &mut predicted.mirrors } else { &mut predicted.backends };
            of_kind.insert(backend(&way.next));
        }
        predicted
    }

    pub fn predict(&self, request: &Request) -> Predicted {
        let Some(tables) = self.tables.get(&request.front) else { return self.at_service(request) };
        let mut predicted = Predicted::default();
        for table in tables {
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

/// The objects of a set, read.
pub fn world(set: &Set) -> World {
    World::from_objects(set.objects.iter().map(object))
}

fn backend(backend: &routes::table::Backend) -> Backend {
    let NamespacedName { namespace, name } = backend.service.clone();
    Backend { namespace, service: name, port: backend.port }
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
