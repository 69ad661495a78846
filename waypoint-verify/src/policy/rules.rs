//! What the CRD's schema asks the API server to refuse: `validate`, in the server's own language (CEL).
//!
//! One thing only it cannot see: what namespace the policy itself is in. So a reference that names it in full and one that leaves it out
//! are the same to `validate`, and different ones here. (In CEL `namespace` is a reserved word: hence `__namespace__`.)

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::validate::NEVER_PASSED_ON;
use super::{GATEWAY_GROUP, names};

/// `x-kubernetes-validations`: each rule with what the server says where it does not hold.
fn rules<const N: usize>(rules: [(&str, &str); N]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// Whether two references mean the same object, as far as the server can tell.
fn same(a: &str, b: &str) -> String {
    let given = "__namespace__";
    // `orValue` would be shorter; but the server does not know how long its result is, and refuses the rule as too dear.
    format!(
        "{a}.name == {b}.name && has({a}.{given}) == has({b}.{given}) && (!has({a}.{given}) || {a}.{given} == {b}.{given})"
    )
}

fn no_two_alike() -> String {
    format!("self.all(a, self.exists_one(b, {}))", same("a", "b"))
}

pub(super) fn spec() -> Value {
    let same = same("target", "self.waypoint.ref");
    rules([
        (
            &format!("!self.targetRefs.exists(target, {same})"),
            "a target is the waypoint itself: name the Service behind the waypoint",
        ),
        (
            "!(has(self.canary) && self.canary != null) || (has(self.entry) && size(self.entry) > 0)",
            "canaries need to know where to enter: name the Gateways in spec.entry",
        ),
    ])
}

pub(super) fn services() -> Value {
    rules([
        (
            "self.all(r, r.group == '' && r.kind == 'Service')",
            "only Services can be used here (group: \"\", kind: Service)",
        ),
        (&no_two_alike(), "a Service is named twice: remove one of them"),
    ])
}

pub(super) fn service() -> Value {
    rules([(
        "self.group == '' && self.kind == 'Service'",
        "only a Service can be used here (group: \"\", kind: Service)",
    )])
}

pub(super) fn gateways() -> Value {
    let only = format!("self.all(r, r.group == '{GATEWAY_GROUP}' && r.kind == 'Gateway')");
    let cure = format!("only Gateways can be used here (group: {GATEWAY_GROUP}, kind: Gateway)");
    rules([(&only, &cure), (&no_two_alike(), "a Gateway is named twice: remove one of them")])
}

pub(super) fn exempt_source() -> Value {
    let given = |name: &str| format!("(has(self.{name}) && self.{name} != null)");
    let (kubelet, pods) = (given("kubelet"), format!("({} || {})", given("podSelector"), given("namespaceSelector")));
    rules([
        (&format!("!({kubelet} && {pods})"), "kubelet and a pod selector exclude each other: make two entries of it"),
        (&format!("{kubelet} || {pods}"), "says nobody: use `kubelet: {}` or `podSelector: {matchLabels: {...}}`"),
    ])
}

pub(super) fn ports() -> Value {
    rules([("self.all(port, port > 0)", "0 is not a port: use 1 to 65535")])
}

pub(super) fn port() -> Value {
    rules([("self > 0", "0 is not a port: use 1 to 65535")])
}

pub(super) fn reason() -> Value {
    rules([("self.trim() != ''", "empty: say why, it is shown wherever such requests are counted")])
}

pub(super) fn window() -> Value {
    rules([("!self.matches('^(0+(h|m|s|ms))+$')", "no time at all: use a positive duration, such as 10m")])
}

pub(super) fn correlations() -> Value {
    rules([(
        "self.all(a, self.exists_one(b, a.proxy == b.proxy && a.header.lowerAscii() == b.header.lowerAscii()))",
        "a header is named twice for this proxy: remove one of them",
    )])
}

pub(super) fn correlation() -> Value {
    let never = serde_json::to_string(&NEVER_PASSED_ON).unwrap_or_default();
    rules([
        (
            "!self.header.lowerAscii().startsWith('x-forwarded-') && !self.header.lowerAscii().startsWith('x-envoy-')",
            "proxies do not pass it on unchanged: use a header that the application sets, or spec.waypoint.forwardedFor",
        ),
        (
            &format!("!(self.header.lowerAscii() in {never})"),
            "proxies do not pass it on unchanged: use a header that the application sets",
        ),
        (
            "self.proxy != 'Gateway' || self.header.lowerAscii() != 'x-request-id'",
            "x-request-id cannot link requests inside a Gateway, Envoy replaces it: remove it",
        ),
    ])
}

/// A label selector with bounds; the type of Kubernetes' own has none, and without them no rule is cheap enough for the server.
pub(super) fn selector(_: &mut SchemaGenerator) -> Schema {
    let expression = rules([
        ("self.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist']", "use In, NotIn, Exists or DoesNotExist"),
        (
            "!(self.operator in ['In', 'NotIn']) || size(self.?values.orValue([])) > 0",
            "In and NotIn need values: list them",
        ),
        (
            "!(self.operator in ['Exists', 'DoesNotExist']) || size(self.?values.orValue([])) == 0",
            "Exists and DoesNotExist take no values: remove them",
        ),
    ]);
    let value = json!({ "type": "string", "maxLength": 63, "pattern": names::LABEL_VALUE });
    let schema = json!({
        "type": "object",
        "nullable": true,
        "properties": {
            "matchLabels": { "type": "object", "additionalProperties": value, "maxProperties": 16 },
            "matchExpressions": {
                "type": "array",
                "maxItems": 16,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "type": "string", "minLength": 1, "maxLength": 317, "pattern": names::LABEL_KEY },
                        "operator": { "type": "string", "maxLength": 12 },
                        "values": { "type": "array", "maxItems": 32, "items": value },
                    },
                    "x-kubernetes-validations": expression,
                },
            },
        },
    });
    Schema::try_from(schema).expect("an object is a schema")
}
