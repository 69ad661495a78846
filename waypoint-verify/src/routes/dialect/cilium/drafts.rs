//! A route's rules -> matches with what is done, before those of equal key are merged.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::objects::{Filter, Item, Redirect, RouteKind, RouteSpec, Rule, UrlRewrite, World};
use super::super::super::request::{Matcher, PathMatch, ValueMatch};
use super::super::super::table::{Backend, RuleAt};
use super::super::{matchers, resolve};

/// A match of a rule, before it is merged with those of equal key.
#[derive(Clone)]
pub struct Draft {
    pub matcher: Matcher,
    pub key: String,
    pub backends: Vec<(Backend, u32)>,
    pub redirect: Option<Redirect>,
    pub mirrors: Vec<(Backend, u32)>,
    pub rewrite: Option<UrlRewrite>,
    pub at: RuleAt,
}

pub fn drafts(world: &World, at: usize, kind: RouteKind, route: &Item<RouteSpec>) -> Vec<Draft> {
    let rules = route.value.rules_of(kind);
    let is_doubtful = rules.iter().any(|rule| has_bad_pattern(kind, rule));
    let mut drafts: Vec<Draft> = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let resolved = |to| resolve(world, kind, route, to).backend();
        let backends: Vec<_> = rule
            .backend_refs
            .iter()
            .filter_map(|reference| resolved(&reference.to).map(|backend| (backend, reference.weight)))
            .collect();
        let (mut redirect, mut rewrite, mut mirrors) = (None, None, Vec::new());
        for filter in &rule.filters {
            let Filter { request_mirror, request_redirect, url_rewrite, kind, .. } = filter;
            match kind.as_str() {
                "RequestRedirect" => redirect = request_redirect.clone().or(redirect),
                "URLRewrite" => rewrite = url_rewrite.clone().or(rewrite),
                "RequestMirror" => mirrors.extend(request_mirror.iter().filter_map(|mirror| {
                    // Rounded down, as `requestMirrorMutation` does.
                    let percent = match (&mirror.percent, &mirror.fraction) {
                        (Some(percent), _) => *percent,
                        (None, Some(part)) => {
                            part.numerator.saturating_mul(100) / part.denominator.filter(|of| *of > 0).unwrap_or(100)
                        }
                        (None, None) => 100,
                    };
                    resolved(&mirror.backend_ref).map(|backend| (backend, percent))
                })),
                _ => {}
            }
        }
        for mut matcher in matchers::of_rule(kind, rule) {
            matcher.unknown |= is_doubtful;
            let key = key_of(
                &matcher,
                redirect.as_ref(),
                kind == RouteKind::Grpc && matcher.path == PathMatch::Prefix(String::new()),
            );
            if let Some(scheme) = redirect.as_ref().and_then(|redirect| redirect.scheme.clone()) {
                matcher.headers.push(("x-forwarded-proto".into(), ValueMatch::NotForwardedProto(scheme)));
            }
            drafts.push(Draft {
                matcher,
                key,
                backends: backends.clone(),
                redirect: redirect.clone(),
                mirrors: mirrors.clone(),
                rewrite: rewrite.clone(),
                at: RuleAt { route: at, rule: number },
            });
        }
    }
    if kind == RouteKind::Http {
        keep_apart(&mut drafts);
    }
    drafts
}

/// A regular expression that Go does not take makes Cilium refuse the whole route; which those are is not known exactly.
fn has_bad_pattern(kind: RouteKind, rule: &Rule) -> bool {
    matchers::of_rule(kind, rule).iter().any(|matcher| {
        let values = matcher.headers.iter().chain(&matcher.query).filter_map(|(_, value)| match value {
            ValueMatch::Regex(pattern) => Some(pattern),
            _ => None,
        });
        let path = match &matcher.path {
            PathMatch::Regex(pattern) => Some(pattern),
            _ => None,
        };
        values.chain(path).any(|pattern| pattern.matches("").is_none())
    })
}

/// `GetMatchKey` (model.go), as far as routes can differ in it.
fn key_of(matcher: &Matcher, redirect: Option<&Redirect>, without_path: bool) -> String {
    let sorted = |values: &[(String, ValueMatch)]| {
        let mut values: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
        values.sort();
        values
    };
    let path = if without_path { String::new() } else { format!("{:?}", matcher.path) };
    let by_scheme = redirect.is_some_and(|redirect| redirect.scheme.is_some());
    format!("{:?} {path} {:?} {:?} {by_scheme}", matcher.method, sorted(&matcher.headers), sorted(&matcher.query))
}

/// `retainDuplicateRuleSources`: where two rules of one HTTPRoute have an equal match, none of theirs is merged with any other's.
fn keep_apart(drafts: &mut [Draft]) {
    let mut rules: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for draft in &*drafts {
        rules.entry(&draft.key).or_default().insert(draft.at.rule);
    }
    let shared: BTreeSet<String> =
        rules.into_iter().filter(|(_, rules)| rules.len() > 1).map(|(key, _)| key.to_owned()).collect();
    for (number, draft) in drafts.iter_mut().enumerate() {
        if shared.contains(&draft.key) {
            draft.key = format!("{} of {:?} at {number}", draft.key, draft.at);
        }
    }
}
