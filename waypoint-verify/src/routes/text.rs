//! Words for what is in the objects.

use super::request::{Matcher, PathMatch, ValueMatch};
use super::table::Speaks;
use crate::inventory::{Meta, OwnerReference};

/// The object that a CiliumEnvoyConfig was made from, as it says.
pub fn owner(meta: &Meta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|owner| matches!(owner.kind.as_str(), "Gateway" | "Ingress" | "Service"))
}

pub fn matcher(matcher: &Matcher) -> String {
    let mut parts = Vec::new();
    parts.extend(matcher.method.clone());
    parts.push(match &matcher.path {
        PathMatch::Exact(path) => path.clone(),
        PathMatch::Prefix(prefix) => format!("{prefix}/*"),
        PathMatch::StringPrefix(prefix) => format!("{prefix}*"),
        PathMatch::Regex(pattern) => format!("~{}", pattern.as_str()),
    });
    for (what, values) in [("header", &matcher.headers), ("query", &matcher.query)] {
        parts.extend(values.iter().map(|(name, value)| match value {
            ValueMatch::Exact(value) => format!("{what} {name}={value}"),
            ValueMatch::Regex(pattern) => format!("{what} {name}~{}", pattern.as_str()),
            ValueMatch::Present => format!("{what} {name}"),
            ValueMatch::NotForwardedProto(scheme) => format!("not {scheme}"),
        }));
    }
    if matcher.unknown {
        parts.push("and something that is not understood".into());
    }
    parts.join(" ")
}

pub fn speaks(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::Http => "HTTP",
        Speaks::Https => "HTTPS",
        Speaks::TlsPassthrough => "TLS passed through",
        Speaks::Tcp => "TCP",
        Speaks::Udp => "UDP",
    }
}

pub fn scheme(speaks: Speaks) -> Option<&'static str> {
    match speaks {
        Speaks::Http => Some("http"),
        Speaks::Https => Some("https"),
        Speaks::TlsPassthrough | Speaks::Tcp | Speaks::Udp => None,
    }
}
