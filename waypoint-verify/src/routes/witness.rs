//! A concrete request that takes a path, tried on the very table that would route it.

use serde::Serialize;

use super::hosts;
use super::request::{Matcher, PathMatch, Request, ValueMatch};
use super::sample::sample;
use super::table::{Action, Answer, Backend, Entry, Table, VirtualHost};

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

/// Where a request is to come from an entry, and what it is to do.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    pub host: &'a VirtualHost,
    pub entry: &'a Entry,
    pub backend: &'a Backend,
    /// A copy of it is to come there.
    pub mirror: bool,
    pub scheme: &'a str,
}

impl Aim<'_> {
    /// A request that nothing can send elsewhere, whichever of these tables holds; else one that may go there by the first of them. `None`:
    /// none was found among those tried.
    pub fn request(&self, tables: &[&Table]) -> Option<Request> {
        let surely = |request: &Request| tables.iter().all(|table| self.is_sure(&table.answer(request)));
        let perhaps = |request: &Request| tables.first().is_some_and(|table| self.is_possible(&table.answer(request)));
        self.candidates().find(surely).or_else(|| self.candidates().find(perhaps))
    }

    /// A request that may go there, whichever of these tables holds.
    pub fn request_by_all(&self, tables: &[&Table]) -> Option<Request> {
        self.candidates().find(|request| tables.iter().all(|table| self.is_possible(&table.answer(request))))
    }

    fn candidates(&self) -> impl Iterator<Item = Request> {
        let (entry, scheme) = (self.entry, self.scheme);
        names(&self.host.domain).into_iter().flat_map(move |name| candidates(&entry.matcher, &name, scheme))
    }

    fn is_possible(&self, answer: &Answer<'_>) -> bool {
        let reached = if self.mirror { answer.mirrors() } else { answer.backends() };
        reached.contains(self.backend)
    }

    fn is_sure(&self, answer: &Answer<'_>) -> bool {
        let leads = |action: &Action| match action {
            Action::Forward(forward) => {
                let reached = if self.mirror { &forward.mirrors } else { &forward.backends };
                reached.iter().any(|(backend, share)| backend == self.backend && *share > 0)
            }
            _ => false,
        };
        !answer.nothing && answer.actions.iter().all(|action| leads(action))
    }
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
        matcher.headers.iter().filter_map(|(name, wanted)| Some((own(name)?, value(wanted)?))).collect();
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

/// `:authority` is the host.
fn own(name: &str) -> Option<String> {
    (!name.starts_with(':')).then(|| name.to_ascii_lowercase())
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
