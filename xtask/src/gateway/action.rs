//! What a rule does with a request that matches it: backends, filters, retries.

use serde_json::{Value, json};

use super::attach;
use super::objects::{
    Filter, Fraction, Header, HeaderModifier, HttpRoute, Mirror, PathKind, PathMatch, PathModifier, Retry, Rule,
    UrlRewrite,
};
use super::{Backend, Input};

/// The backends of a rule that count (missing and ungranted ones are dropped before weighting), with their weights.
pub(super) fn backends(input: &Input, route: &HttpRoute, rule: &Rule) -> Vec<(Backend, u32)> {
    rule.backend_refs
        .iter()
        .filter_map(|reference| Some((attach::backend(input, route, reference)?, reference.weight)))
        .collect()
}

/// Where the rule's mirrors go.
pub(super) fn mirrors(input: &Input, route: &HttpRoute, rule: &Rule) -> Vec<Backend> {
    let mirrors = rule.filters.iter().filter_map(|filter| match filter {
        Filter::RequestMirror { mirror } => Some(&mirror.backend_ref),
        _ => None,
    });
    mirrors.filter_map(|reference| attach::backend(input, route, reference)).collect()
}

/// An Envoy route without its match. `backends` may come from several HTTPRoutes with an equal match.
pub(super) fn to_envoy(
    input: &Input,
    route: &HttpRoute,
    rule: &Rule,
    path: &PathMatch,
    backends: &[(Backend, u32)],
) -> Value {
    let mut out = json!({});
    for filter in &rule.filters {
        match filter {
            Filter::RequestHeaderModifier { modifier } => modify(&mut out, "request", modifier),
            Filter::ResponseHeaderModifier { modifier } => modify(&mut out, "response", modifier),
            Filter::RequestRedirect { redirect } => {
                let code = match redirect.status_code {
                    301 => "MOVED_PERMANENTLY",
                    307 => "TEMPORARY_REDIRECT",
                    308 => "PERMANENT_REDIRECT",
                    _ => "FOUND",
                };
                out["redirect"] = json!({"responseCode": code});
                if let Some(hostname) = &redirect.hostname {
                    out["redirect"]["hostRedirect"] = json!(hostname);
                }
                if let Some(port) = redirect.port {
                    out["redirect"]["portRedirect"] = json!(port);
                }
                return out;
            }
            Filter::RequestMirror { .. } | Filter::UrlRewrite { .. } => {}
        }
    }
    let Some(mut action) = destination(backends) else {
        out["directResponse"] = json!({"status": 500});
        return out;
    };
    let mut mirrored = Vec::new();
    for filter in &rule.filters {
        match filter {
            Filter::UrlRewrite { rewrite } => rewrite_url(&mut action, rewrite, path),
            Filter::RequestMirror { mirror } => {
                mirrored.extend(
                    attach::backend(input, route, &mirror.backend_ref).map(|backend| mirror_policy(mirror, &backend)),
                );
            }
            _ => {}
        }
    }
    if !mirrored.is_empty() {
        action["requestMirrorPolicies"] = mirrored.into();
    }
    match rule.timeouts.as_ref().and_then(|t| t.request.as_ref().or(t.backend_request.as_ref())) {
        Some(timeout) => action["timeout"] = json!(envoy_duration(timeout, 1)),
        // With this Envoy would not look at a timeout.
        None => action["maxStreamDuration"] = json!({"maxStreamDuration": "0s"}),
    }
    if let Some(retry) = &rule.retry {
        action["retryPolicy"] = retry_policy(retry);
    }
    out["route"] = action;
    out
}

/// With one backend left its weight does not matter, even 0.
fn destination(backends: &[(Backend, u32)]) -> Option<Value> {
    match backends {
        [] => None,
        [(only, _)] => Some(json!({"cluster": only.to_string()})),
        several if several.iter().all(|(_, weight)| *weight == 0) => None,
        several => {
            let clusters: Vec<_> =
                several.iter().map(|(b, weight)| json!({"name": b.to_string(), "weight": weight})).collect();
            Some(json!({"weightedClusters": {"clusters": clusters}}))
        }
    }
}

fn modify(out: &mut Value, direction: &str, modifier: &HeaderModifier) {
    let entry = |header: &Header, action: &str| json!({"header": {"key": header.name, "value": header.value}, "appendAction": action});
    let set = modifier.set.iter().map(|header| entry(header, "OVERWRITE_IF_EXISTS_OR_ADD"));
    let add = modifier.add.iter().map(|header| entry(header, "APPEND_IF_EXISTS_OR_ADD"));
    let headers: Vec<_> = set.chain(add).collect();
    if !headers.is_empty() {
        out[format!("{direction}HeadersToAdd")] = headers.into();
    }
    if !modifier.remove.is_empty() {
        out[format!("{direction}HeadersToRemove")] = json!(modifier.remove);
    }
}

fn rewrite_url(action: &mut Value, rewrite: &UrlRewrite, matched: &PathMatch) {
    if let Some(hostname) = &rewrite.hostname {
        action["hostRewriteLiteral"] = json!(hostname);
    }
    match &rewrite.path {
        None => {}
        Some(PathModifier::ReplaceFullPath { path }) => {
            action["regexRewrite"] = json!({"pattern": {"regex": "^/.*$"}, "substitution": path});
        }
        Some(PathModifier::ReplacePrefixMatch { prefix }) if matched.kind == PathKind::PathPrefix => {
            let old = matched.value.trim_end_matches('/');
            match prefix.trim_end_matches('/') {
                // `/old` would become the empty path, `/old/x` `//x`.
                "" => {
                    action["regexRewrite"] =
                        json!({"pattern": {"regex": format!("^{}(/?)(.*)", escape(old))}, "substitution": "/\\2"})
                }
                new if old.is_empty() => action["prefixRewrite"] = json!(format!("{new}/")),
                new => action["prefixRewrite"] = json!(new),
            }
        }
        Some(PathModifier::ReplacePrefixMatch { .. }) => {}
    }
}

fn escape(literal: &str) -> String {
    let special = |c: &char| r"\.+*?()|[]{}^$".contains(*c);
    literal.chars().flat_map(|c| special(&c).then_some('\\').into_iter().chain([c])).collect()
}

fn mirror_policy(mirror: &Mirror, backend: &Backend) -> Value {
    // Rounded down, as Cilium does.
    let of_fraction = |f: &Fraction| f.numerator.saturating_mul(100) / f.denominator.max(1);
    let percent = mirror.percent.or_else(|| mirror.fraction.as_ref().map(of_fraction)).unwrap_or(100);
    json!({"cluster": backend.to_string(), "runtimeFraction": {"defaultValue": {"numerator": percent}}})
}

/// No `retryOn`: Cilium sets none, so that Envoy retries only what a client's own headers ask for.
fn retry_policy(retry: &Retry) -> Value {
    let mut policy = json!({"retriableStatusCodes": retry.codes});
    if let Some(attempts) = retry.attempts {
        policy["numRetries"] = json!(attempts);
    }
    if let Some(base) = &retry.backoff {
        policy["retryBackOff"] =
            json!({"baseInterval": envoy_duration(base, 1), "maxInterval": envoy_duration(base, 2)});
    }
    policy
}

/// A Gateway API duration of one unit (`500ms`, `2s`, `1m`) times a factor, in seconds.
fn envoy_duration(text: &str, factor: u32) -> String {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: f64 = text[..split].parse().unwrap_or(0.0);
    let unit = match &text[split..] {
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => 1.0,
    };
    format!("{}s", number * unit * f64::from(factor))
}
