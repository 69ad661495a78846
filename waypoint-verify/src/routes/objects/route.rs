//! HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute, with the defaults that their CRDs would fill in.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::gateway::ObjectRef;
use crate::inventory::ParentReference;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    Http,
    Grpc,
    Tls,
    Tcp,
    Udp,
}

impl RouteKind {
    pub const ALL: [Self; 5] = [Self::Http, Self::Grpc, Self::Tls, Self::Tcp, Self::Udp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
            Self::Tls => "TLSRoute",
            Self::Tcp => "TCPRoute",
            Self::Udp => "UDPRoute",
        }
    }

    pub fn of(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == kind)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteSpec {
    /// RFC 3339, UTC, to the second; who is older wins where two want the same.
    #[serde(skip)]
    pub created: Option<String>,
    pub parent_refs: Vec<ParentReference>,
    pub hostnames: Vec<String>,
    pub rules: Option<Vec<Rule>>,
}

impl RouteSpec {
    /// Only an HTTPRoute's rules have a default: one that matches everything and leads nowhere.
    pub fn rules_of(&self, kind: RouteKind) -> &[Rule] {
        static DEFAULT: LazyLock<[Rule; 1]> = LazyLock::new(Default::default);
        let default = if kind == RouteKind::Http { &DEFAULT[..] } else { &[] };
        self.rules.as_deref().unwrap_or(default)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    pub name: Option<String>,
    pub matches: Vec<Match>,
    pub filters: Vec<Filter>,
    pub backend_refs: Vec<BackendRef>,
    /// Fields that are not understood, and those that decide nothing about where a request goes.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Rule {
    /// Fields that could decide where a request goes, for all that is known.
    pub fn unknown_fields(&self) -> impl Iterator<Item = &str> {
        const HARMLESS: [&str; 3] = ["timeouts", "retry", "sessionPersistence"];
        self.others.keys().map(String::as_str).filter(|field| !HARMLESS.contains(field))
    }
}

/// A match of an HTTPRoute or a GRPCRoute: in the latter `method` is an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Match {
    pub path: Option<TypedValue>,
    pub method: Option<Value>,
    pub headers: Vec<TypedValue>,
    pub query_params: Vec<TypedValue>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `type`, `name` (of a header or parameter) and `value`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TypedValue {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: String,
    pub value: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filter {
    #[serde(rename = "type")]
    pub kind: String,
    pub request_header_modifier: Option<HeaderModifier>,
    pub request_mirror: Option<Mirror>,
    pub request_redirect: Option<Redirect>,
    #[serde(rename = "urlRewrite")]
    pub url_rewrite: Option<UrlRewrite>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeaderModifier {
    pub set: Vec<TypedValue>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mirror {
    pub backend_ref: ObjectRef,
    pub percent: Option<u32>,
    pub fraction: Option<Fraction>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fraction {
    pub numerator: u32,
    pub denominator: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Redirect {
    pub scheme: Option<String>,
    pub hostname: Option<String>,
    pub port: Option<u16>,
    pub path: Option<PathModifier>,
    pub status_code: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UrlRewrite {
    pub hostname: Option<String>,
    pub path: Option<PathModifier>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PathModifier {
    #[serde(rename = "type")]
    pub kind: String,
    pub replace_full_path: Option<String>,
    pub replace_prefix_match: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct BackendRef {
    #[serde(flatten)]
    pub to: ObjectRef,
    #[serde(default = "one")]
    pub weight: u32,
    #[serde(default)]
    pub filters: Vec<Filter>,
}

fn one() -> u32 {
    1
}
