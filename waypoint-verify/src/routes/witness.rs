//! A concrete request that takes a path, tried on the very table that would route it.

use serde::Serialize;

use super::hosts;
use super::request::{Matcher, PathMatch, Request, ValueMatch};
use super::sample::sample;
use super::table::{Backend, Entry, Table, VirtualHost};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    pub method: String,
    /// Where it is sent to, with its path.
    pub url: String,
    /// The `Host` header.
    pub host: String,
    /// Others.
    pub headers: Vec<(String, String)>,
    /// Who can send it: `outside` or `any pod`.
    pub from: String,
    /// In percent: it is one of several that are sent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Witness {
    /// As a command line of curl.
    pub fn curl(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let mut words = vec!["curl".to_owned()];
        if self.method != "GET" {
            words.extend(["-X".to_owned(), self.method.clone()]);
        }
        if !self.host.is_empty() && !self.url.contains(&format!("//{}", self.host)) {
            words.extend(["-H".to_owned(), quoted(&format!("Host: {}", self.host))]);
        }
        for (name, value) in &self.headers {
            words.extend(["-H".to_owned(), quoted(&format!("{name}: {value}"))]);
        }
        words.push(quoted(&self.url));
        words.join(" ")
    }
}

/// A request that this entry of this table sends to the backend, or copies to it; `None`: none was found among those tried.
pub fn find(
    table: &Table,
    host: &VirtualHost,
    entry: &Entry,
    backend: &Backend,
    mirror: bool,
    scheme: &str,
) -> Option<Request> {
    let names = names(&host.domain);
    let mut requests = names.iter().flat_map(|name| candidates(&entry.matcher, name, scheme));
    requests.find(|request| {
        let answer = table.answer(request);
        if mirror { answer.mirrors().contains(backend) } else { answer.backends().contains(backend) }
    })
}

/// Names of a domain: others than those that somebody else's host may claim.
fn names(domain: &str) -> Vec<String> {
    match domain {
        hosts::ANY => vec!["any.example".to_owned(), "waypoint-verify.invalid".to_owned()],
        wild if wild.starts_with('*') => vec![format!("a{}", &wild[1..]), format!("waypoint-verify.a{}", &wild[1..])],
        name => vec![name.to_owned()],
    }
}

fn candidates(matcher: &Matcher, host: &str, scheme: &str) -> Vec<Request> {
    let headers: Vec<_> =
        matcher.headers.iter().filter_map(|(name, wanted)| Some((name.to_ascii_lowercase(), value(wanted)?))).collect();
    let query: Vec<_> =
        matcher.query.iter().filter_map(|(name, wanted)| Some((name.clone(), value(wanted)?))).collect();
    // Where a route with a method of its own would take it, another one may be left.
    let methods = match &matcher.method {
        Some(method) => vec![method.as_str()],
        None => vec!["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"],
    };
    let paths = paths(&matcher.path);
    methods
        .iter()
        .flat_map(|method| paths.iter().map(move |path| (method, path)))
        .map(|(method, path)| Request {
            method: (*method).to_owned(),
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
        })
        .collect()
}

fn paths(wanted: &PathMatch) -> Vec<String> {
    match wanted {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Prefix(prefix) if prefix.is_empty() => vec!["/".into(), "/waypoint-verify".into()],
        PathMatch::Prefix(prefix) => vec![prefix.clone(), format!("{prefix}/"), format!("{prefix}/waypoint-verify")],
        PathMatch::StringPrefix(prefix) => vec![prefix.clone(), format!("{prefix}waypoint-verify")],
        PathMatch::Regex(pattern) => sample(pattern.as_str()).into_iter().collect(),
    }
}

fn value(wanted: &ValueMatch) -> Option<String> {
    match wanted {
        ValueMatch::Exact(value) => Some(value.clone()),
        ValueMatch::Regex(pattern) => sample(pattern.as_str()),
        ValueMatch::Present => Some("x".into()),
        ValueMatch::NotForwardedProto(_) => None,
    }
}
