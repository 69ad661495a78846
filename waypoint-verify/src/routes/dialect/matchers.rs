//! Matches of rules -> matchers, with the CRDs' defaults.

use super::super::objects::{Match, RouteKind, Rule, TypedValue};
use super::super::request::{Matcher, PathMatch, Pattern, ValueMatch};

/// Every match of a rule; a rule without any matches everything.
pub fn of_rule(kind: RouteKind, rule: &Rule) -> Vec<Matcher> {
    let unknown = rule.unknown_fields().next().is_some();
    let mut matchers: Vec<_> = match kind {
        RouteKind::Http => rule.matches.iter().map(http).collect(),
        RouteKind::Grpc => rule.matches.iter().map(grpc).collect(),
        RouteKind::Tls | RouteKind::Tcp | RouteKind::Udp => Vec::new(),
    };
    if matchers.is_empty() {
        matchers.push(Matcher::default());
    }
    for matcher in &mut matchers {
        matcher.unknown |= unknown;
    }
    matchers
}

fn http(wanted: &Match) -> Matcher {
    let mut matcher = Matcher { unknown: !wanted.others.is_empty(), ..Matcher::default() };
    if let Some(path) = &wanted.path {
        let value = path.value.as_deref().unwrap_or("/");
        match path.kind.as_deref().unwrap_or("PathPrefix") {
            "Exact" => matcher.path = PathMatch::Exact(value.to_owned()),
            "PathPrefix" => matcher.path = prefix(value),
            "RegularExpression" => matcher.path = PathMatch::Regex(Pattern::new(value)),
            _ => matcher.unknown = true,
        }
    }
    if let Some(method) = &wanted.method {
        match method.as_str() {
            Some(method) => matcher.method = Some(method.to_ascii_uppercase()),
            None => matcher.unknown = true,
        }
    }
    (matcher.headers, matcher.query) =
        (values(&wanted.headers, &mut matcher.unknown), values(&wanted.query_params, &mut matcher.unknown));
    matcher
}

/// By whole elements; a slash at the end says nothing.
pub fn prefix(value: &str) -> PathMatch {
    PathMatch::Prefix(value.strip_suffix('/').unwrap_or(value).to_owned())
}

fn values(wanted: &[TypedValue], unknown: &mut bool) -> Vec<(String, ValueMatch)> {
    let mut values = Vec::with_capacity(wanted.len());
    for one in wanted {
        let value = one.value.clone().unwrap_or_default();
        match one.kind.as_deref().unwrap_or("Exact") {
            "Exact" => values.push((one.name.clone(), ValueMatch::Exact(value))),
            "RegularExpression" => values.push((one.name.clone(), ValueMatch::Regex(Pattern::new(value)))),
            _ => *unknown = true,
        }
    }
    values
}

/// `service` and `method` of gRPC are the two elements of the path (gRPC over HTTP/2, "Path").
fn grpc(wanted: &Match) -> Matcher {
    let mut matcher = Matcher { unknown: !wanted.others.is_empty() || wanted.path.is_some(), ..Matcher::default() };
    if let Some(method) = &wanted.method {
        let part = |name: &str| method.get(name).and_then(|value| value.as_str());
        let regex = |text: String| PathMatch::Regex(Pattern::new(text));
        match (part("type").unwrap_or("Exact"), part("service"), part("method")) {
            ("Exact", Some(service), Some(method)) => matcher.path = PathMatch::Exact(format!("/{service}/{method}")),
            ("Exact", Some(service), None) => matcher.path = prefix(&format!("/{service}/")),
            ("Exact" | "RegularExpression", None, Some(method)) => matcher.path = regex(format!("/.+/{method}")),
            ("RegularExpression", Some(service), Some(method)) => matcher.path = regex(format!("/{service}/{method}")),
            ("RegularExpression", Some(service), None) => matcher.path = regex(format!("/{service}/.+")),
            ("Exact" | "RegularExpression", None, None) => {}
            _ => matcher.unknown = true,
        }
    }
    matcher.headers = values(&wanted.headers, &mut matcher.unknown);
    matcher
}
