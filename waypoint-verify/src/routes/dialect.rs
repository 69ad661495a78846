//! Who wins between rules is decided by the controller that serves a Gateway: each way of deciding is a dialect.

mod cilium;
mod matchers;
mod spec;

pub use cilium::ingress;

use std::fmt;

use serde::Serialize;

use super::attach::{ListenerAt, granted};
use super::objects::{Item, ObjectRef, RouteKind, RouteSpec, World};
use super::table::{Backend, Table};
use crate::model::NamespacedName;
use crate::policy::GATEWAY_GROUP;

pub const CILIUM_CONTROLLER: &str = "io.cilium/gateway-controller";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Dialect {
    /// Cilium 1.20, as its operator translates (docs/routes.md lists where it differs from the specification).
    #[serde(rename = "cilium-1.20")]
    Cilium120,
    /// Gateway API 1.6, as its types' comments have it.
    #[serde(rename = "spec")]
    Spec,
}

impl Dialect {
    pub const ALL: [Self; 2] = [Self::Cilium120, Self::Spec];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cilium120 => "cilium-1.20",
            Self::Spec => "spec",
        }
    }

    /// Those that a controller may speak; all of them where it is not known.
    pub fn of_controller(controller: Option<&str>) -> Vec<Self> {
        match controller {
            Some(CILIUM_CONTROLLER) => vec![Self::Cilium120],
            _ => Self::ALL.to_vec(),
        }
    }

    /// What a Gateway's listeners do with requests.
    pub fn tables(self, world: &World, listeners: &[ListenerAt<'_>]) -> Vec<Table> {
        match self {
            Self::Cilium120 => cilium::tables(world, listeners),
            Self::Spec => spec::tables(world, listeners),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a reference of a route to a backend comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    To(Backend),
    /// The Service is not among the objects.
    Missing,
    /// Of another namespace, without a ReferenceGrant.
    NotGranted(Backend),
    /// Not a Service, or without a port.
    Invalid,
}

impl Resolved {
    /// Where requests really go.
    pub fn backend(self) -> Option<Backend> {
        match self {
            Self::To(backend) => Some(backend),
            _ => None,
        }
    }
}

pub fn resolve(world: &World, kind: RouteKind, route: &Item<RouteSpec>, to: &ObjectRef) -> Resolved {
    let Some(port) = to.port.filter(|_| to.is_service() || to.is_import()) else { return Resolved::Invalid };
    let namespace = to.namespace.clone().unwrap_or_else(|| route.key.namespace.clone());
    let backend = Backend { service: NamespacedName { namespace, name: to.name.clone() }, port };
    // Whether a controller asks for grants of imports, and of which kind, is not known: they count as given.
    if !to.is_import() && !granted(&world.grants, (GATEWAY_GROUP, kind.name(), &route.key.namespace), to, "Service") {
        return Resolved::NotGranted(backend);
    }
    if world.services.contains_key(&backend.service) { Resolved::To(backend) } else { Resolved::Missing }
}
