//! A rule's match: its Envoy form, and which of several is looked at first.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::objects::{Match, PathKind, PathMatch, ValueKind, ValueMatch};

impl Match {
    pub(super) fn path(&self) -> PathMatch {
        self.path.clone().unwrap_or(PathMatch { kind: PathKind::PathPrefix, value: "/".to_owned() })
    }

    /// The order of Cilium (facts I), which is not the specification's: exact paths, then *regular expressions*, then prefixes, each
    /// by length; then method, number of headers, number of query parameters. Ascending: the first is tried first.
    pub(super) fn precedence(&self) -> impl Ord + use<> {
        let path = self.path();
        let kind = match path.kind {
            PathKind::Exact => 0,
            PathKind::RegularExpression => 1,
            PathKind::PathPrefix => 2,
        };
        (
            kind,
            Reverse(path.value.len()),
            self.method.is_none(),
            Reverse(self.headers.len()),
            Reverse(self.query_params.len()),
        )
    }

    pub(super) fn to_envoy(&self) -> Value {
        let path = self.path();
        let mut out = match path.kind {
            PathKind::Exact => json!({"path": path.value}),
            PathKind::RegularExpression => json!({"safeRegex": {"regex": path.value}}),
            PathKind::PathPrefix => match path.value.trim_end_matches('/') {
                "" => json!({"prefix": "/"}),
                prefix => json!({"pathSeparatedPrefix": prefix}),
            },
        };
        let method = self.method.iter().map(|m| json!({"name": ":method", "stringMatch": {"exact": m}}));
        let headers: Vec<_> = self.headers.iter().map(value_match).chain(method).collect();
        if !headers.is_empty() {
            out["headers"] = headers.into();
        }
        let query: Vec<_> = self.query_params.iter().map(value_match).collect();
        if !query.is_empty() {
            out["queryParameters"] = query.into();
        }
        out
    }
}

fn value_match(wanted: &ValueMatch) -> Value {
    let string = match wanted.kind {
        ValueKind::Exact => json!({"exact": wanted.value}),
        ValueKind::RegularExpression => json!({"safeRegex": {"regex": wanted.value}}),
    };
    json!({"name": wanted.name, "stringMatch": string})
}
