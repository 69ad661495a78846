//! A route table: what one proxy does with the requests that reach it by one or more ports.

use std::collections::BTreeSet;

use super::hosts;
use super::objects::{Redirect, UrlRewrite};
use super::request::{Holds, Matcher, PathMatch, Request};
use crate::model::NamespacedName;

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Backend {
    pub service: NamespacedName,
    pub port: u16,
}

/// A rule of a route, by its place in `World::routes` and in the route; or of another object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleAt {
    pub route: usize,
    pub rule: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// With the share of requests that each gets, of the sum of all. A share of 0 gets none.
    pub backends: Vec<(Backend, u32)>,
    /// Share of requests that are answered with 500, because their backend is missing.
    pub lost: u32,
    /// Copies, with the percentage of requests that are copied.
    pub mirrors: Vec<(Backend, u32)>,
    pub rewrite: Option<UrlRewrite>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Forward(Forward),
    Redirect(Redirect),
    /// Answered by the proxy itself.
    Status(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub matcher: Matcher,
    /// One of them is taken; several where rules are merged and which is first is not decided.
    pub actions: Vec<Action>,
    /// Entries of equal rank may be tried in any order, but for those of one route.
    pub rank: usize,
    /// Where it is written; several where a dialect merges rules.
    pub rules: Vec<RuleAt>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    /// `name`, `*.suffix` or `*`.
    pub domain: String,
    /// By rank.
    pub entries: Vec<Entry>,
    /// Of equal rank even one route's own entries may be tried in any order.
    pub any_order: bool,
}

/// How a port of a Gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Speaks {
    Http,
    Https,
    /// Octets, by the name that TLS asks for.
    TlsPassthrough,
    Tcp,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Front {
    pub port: u16,
    /// Names of the listeners.
    pub listener: String,
    pub speaks: Speaks,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub fronts: Vec<Front>,
    pub hosts: Vec<VirtualHost>,
    /// A name that one host has no entry for goes on to the next less specific one.
    pub falls_through: bool,
    /// `*.suffix` does not cover a name that a port follows: of Cilium's domains `*.suffix` and `*.suffix:*` Envoy takes the
    /// second literally.
    pub wildcards_want_no_port: bool,
    /// Names of other listeners at these ports, which take what is theirs.
    pub except: Vec<String>,
    /// Why the proxy does not take this table, and serves what it had before.
    pub refused: Option<String>,
}

/// What can become of a request: every possibility.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    pub actions: Vec<&'a Action>,
    /// Nothing matches: 404 is possible.
    pub nothing: bool,
}

impl Forward {
    /// Of which the shares of its backends are parts.
    pub fn whole(&self) -> u64 {
        self.backends.iter().map(|(_, share)| u64::from(*share)).sum::<u64>() + u64::from(self.lost)
    }
}

/// `None`: all of it.
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (part < whole).then(|| 100.0 * part as f64 / whole as f64)
}

impl Answer<'_> {
    /// Backends that get the request.
    pub fn backends(&self) -> BTreeSet<&Backend> {
        self.with_a_share(|forward| &forward.backends)
    }

    /// Backends that get a copy.
    pub fn mirrors(&self) -> BTreeSet<&Backend> {
        self.with_a_share(|forward| &forward.mirrors)
    }

    fn with_a_share(&self, of: fn(&Forward) -> &[(Backend, u32)]) -> BTreeSet<&Backend> {
        let forwards = self.actions.iter().filter_map(|action| match action {
            Action::Forward(forward) => Some(forward),
            _ => None,
        });
        forwards.flat_map(of).filter(|(_, share)| *share > 0).map(|(backend, _)| backend).collect()
    }
}

impl Table {
    pub fn answer(&self, request: &Request) -> Answer<'_> {
        let (host, with_port) = request.name();
        let is_covering = |domain: &str| {
            hosts::covers(domain, &host) && !(with_port && self.wildcards_want_no_port && domain.starts_with("*."))
        };
        let mut covering: Vec<_> = self.hosts.iter().filter(|own| is_covering(&own.domain)).collect();
        covering.sort_by_key(|own| std::cmp::Reverse(hosts::precedence(&own.domain)));
        let mut answer = Answer { actions: Vec::new(), nothing: true };
        if self.except.iter().any(|other| hosts::covers(other, &host)) {
            return answer;
        }
        for host in covering {
            if host.answer(request, &mut answer.actions) {
                answer.nothing = false;
                break;
            }
            if !self.falls_through {
                break;
            }
        }
        answer
    }
}

impl VirtualHost {
    /// Adds what may be done; whether something surely is.
    fn answer<'a>(&'a self, request: &Request, actions: &mut Vec<&'a Action>) -> bool {
        let mut sure: Option<usize> = None;
        let mut routes = BTreeSet::new();
        for entry in &self.entries {
            if sure.is_some_and(|rank| rank != entry.rank) {
                break;
            }
            let holds = entry.matcher.holds(request);
            if holds == Holds::No {
                continue;
            }
            // Of one route, the first of equal rank is tried first.
            let only = entry.only_route().filter(|_| !self.any_order);
            if only.is_none_or(|route| !routes.contains(&route)) {
                actions.extend(&entry.actions);
            }
            if holds == Holds::Yes {
                sure = Some(entry.rank);
                routes.extend(only);
            }
        }
        sure.is_some()
    }
}

impl Entry {
    /// In percent, how many of its requests a backend gets; `None`: all of them.
    pub fn share(&self, of: &Backend) -> Option<f64> {
        let forward = self.actions.iter().find_map(|action| match action {
            Action::Forward(forward) => Some(forward),
            _ => None,
        })?;
        let own = forward.backends.iter().filter(|(backend, _)| backend == of);
        percent(own.map(|(_, share)| u64::from(*share)).sum(), forward.whole())
    }

    /// The route that it is of, unless it is merged from several.
    fn only_route(&self) -> Option<usize> {
        let first = self.rules.first()?.route;
        self.rules.iter().all(|rule| rule.route == first).then_some(first)
    }
}

/// Length of a path as written, for ranks.
pub fn written(path: &PathMatch) -> usize {
    match path {
        PathMatch::Exact(path) | PathMatch::StringPrefix(path) => path.len(),
        PathMatch::Prefix(path) => path.len().max(1),
        PathMatch::Regex(pattern) => pattern.as_str().len(),
    }
}
