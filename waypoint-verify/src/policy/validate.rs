//! What a schema cannot say of a policy, and the inventory is not needed for.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{CorrelatedProxy, Exempt, GATEWAY_GROUP, Loaded, TargetRef, canary, names, parse_duration};
use crate::manifest::Problem;

/// Hop by hop (RFC 9110 section 7.6.1), or rewritten by proxies as a matter of course.
pub(super) const NEVER_PASSED_ON: [&str; 17] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

pub fn check(loaded: &Loaded, problems: &mut Vec<Problem>) {
    let spec = &loaded.policy.spec;
    if spec.target_refs.is_empty() {
        problems.push(loaded.problem("spec.targetRefs", "empty: nothing is protected", "name at least one Service"));
    }
    for (at, target) in spec.target_refs.iter().enumerate() {
        let path = format!("spec.targetRefs[{at}]");
        reference(loaded, &path, target, "", "Service", problems);
        if same(loaded, target, &spec.waypoint.reference) {
            problems.push(loaded.problem(
                &path,
                "is the waypoint itself: its requests would have to come through it twice",
                "name the Service behind the waypoint",
            ));
        }
    }
    duplicates(loaded, "spec.targetRefs", &spec.target_refs, problems);
    reference(loaded, "spec.waypoint.ref", &spec.waypoint.reference, "", "Service", problems);
    for (at, kept) in spec.waypoint.preserves.iter().enumerate() {
        if spec.waypoint.preserves[..at].contains(kept) {
            problems.push(loaded.problem(
                &format!("spec.waypoint.preserves[{at}]"),
                "named twice",
                "remove one of them",
            ));
        }
    }
    for (at, gateway) in spec.via.iter().enumerate() {
        reference(loaded, &format!("spec.via[{at}]"), gateway, GATEWAY_GROUP, "Gateway", problems);
    }
    duplicates(loaded, "spec.via", &spec.via, problems);
    if let Some(entry) = &spec.entry {
        if entry.is_empty() {
            problems.push(loaded.problem(
                "spec.entry",
                "empty: requests could enter nowhere",
                "name a Gateway, or leave `entry` out to let them enter anywhere",
            ));
        }
        for (at, gateway) in entry.iter().enumerate() {
            reference(loaded, &format!("spec.entry[{at}]"), gateway, GATEWAY_GROUP, "Gateway", problems);
        }
        duplicates(loaded, "spec.entry", entry, problems);
    }
    for (at, exempt) in spec.exempt.iter().enumerate() {
        exemption(loaded, &format!("spec.exempt[{at}]"), exempt, problems);
    }
    correlation(loaded, problems);
    canary::check(loaded, problems);
    if let Some(window) = &spec.window {
        match parse_duration(window) {
            None => problems.push(loaded.problem(
                "spec.window",
                format!("{window:?} is not a duration"),
                "write it like 10m, 1h30m or 500ms (units h, m, s, ms)",
            )),
            Some(Duration::ZERO) => {
                problems.push(loaded.problem("spec.window", "no time at all", "use a positive duration, such as 10m"));
            }
            Some(_) => {}
        }
    }
}

fn namespace<'a>(loaded: &'a Loaded, reference: &'a TargetRef) -> &'a str {
    reference.namespace.as_deref().unwrap_or(&loaded.namespace)
}

fn same(loaded: &Loaded, a: &TargetRef, b: &TargetRef) -> bool {
    (&a.group, &a.kind, &a.name, namespace(loaded, a)) == (&b.group, &b.kind, &b.name, namespace(loaded, b))
}

fn reference(loaded: &Loaded, path: &str, reference: &TargetRef, group: &str, kind: &str, problems: &mut Vec<Problem>) {
    if reference.group != group {
        let cure = format!("use group: {group:?} with kind: {kind}");
        problems.push(loaded.problem(
            &format!("{path}.group"),
            format!("{:?} cannot be used here", reference.group),
            cure,
        ));
    }
    if reference.kind != kind {
        problems.push(loaded.problem(
            &format!("{path}.kind"),
            format!("{:?} cannot be used here", reference.kind),
            format!("only {kind} is supported"),
        ));
    }
    if reference.name.is_empty() {
        problems.push(loaded.problem(&format!("{path}.name"), "empty", format!("name the {kind}")));
    } else if !names::is_object(&reference.name) {
        problems.push(loaded.problem(
            &format!("{path}.name"),
            format!("{:?} cannot be the name of a {kind}", reference.name),
            "use lower-case letters, digits, - and .",
        ));
    }
    match reference.namespace.as_deref() {
        Some("") => problems.push(loaded.problem(
            &format!("{path}.namespace"),
            "empty",
            "name it, or leave it out for the policy's own",
        )),
        Some(namespace) if !names::is_namespace(namespace) => problems.push(loaded.problem(
            &format!("{path}.namespace"),
            format!("{namespace:?} cannot be the name of a namespace"),
            "use lower-case letters, digits and -",
        )),
        _ => {}
    }
}

fn duplicates(loaded: &Loaded, path: &str, references: &[TargetRef], problems: &mut Vec<Problem>) {
    for (at, reference) in references.iter().enumerate() {
        if references[..at].iter().any(|earlier| same(loaded, earlier, reference)) {
            let what = format!("{} {}/{} is named twice", reference.kind, namespace(loaded, reference), reference.name);
            problems.push(loaded.problem(&format!("{path}[{at}]"), what, "remove one of them"));
        }
    }
}

fn exemption(loaded: &Loaded, path: &str, exempt: &Exempt, problems: &mut Vec<Problem>) {
    let from = &exempt.from;
    let pods = from.pod_selector.is_some() || from.namespace_selector.is_some();
    match (from.kubelet.is_some(), pods) {
        (true, true) => problems.push(loaded.problem(
            &format!("{path}.from"),
            "kubelet and a pod selector exclude each other",
            "make two entries of it",
        )),
        (false, false) => problems.push(loaded.problem(
            &format!("{path}.from"),
            "says nobody",
            "use `kubelet: {}` or `podSelector: {matchLabels: {...}}`",
        )),
        _ => {}
    }
    if exempt.reason.trim().is_empty() {
        problems.push(loaded.problem(
            &format!("{path}.reason"),
            "empty",
            "say why: it is shown wherever such requests are counted",
        ));
    }
    for (at, port) in exempt.ports.iter().enumerate() {
        if *port == 0 {
            problems.push(loaded.problem(&format!("{path}.ports[{at}]"), "0 is not a port", "use 1 to 65535"));
        }
    }
    for (name, selector) in [("podSelector", &from.pod_selector), ("namespaceSelector", &from.namespace_selector)] {
        if let Some(selector) = selector {
            selector_is_sound(loaded, &format!("{path}.from.{name}"), selector, problems);
        }
    }
}

fn selector_is_sound(loaded: &Loaded, path: &str, selector: &LabelSelector, problems: &mut Vec<Problem>) {
    let value_is_sound = |path: &str, value: &str, problems: &mut Vec<Problem>| {
        if !names::is_label_value(value) {
            let what = format!("{value:?} cannot be the value of a label");
            problems.push(loaded.problem(path, what, "use letters, digits, -, _ and ."));
        }
    };
    for (key, value) in selector.match_labels.iter().flatten() {
        value_is_sound(&format!("{path}.matchLabels.{key}"), value, problems);
    }
    for (at, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{at}]");
        if !names::is_label_key(&expression.key) {
            let what = format!("{:?} cannot be the key of a label", expression.key);
            problems.push(loaded.problem(&format!("{path}.key"), what, "use a key such as app or example.com/app"));
        }
        for (at, value) in expression.values.iter().flatten().enumerate() {
            value_is_sound(&format!("{path}.values[{at}]"), value, problems);
        }
        let filled = expression.values.as_ref().is_some_and(|values| !values.is_empty());
        match (expression.operator.as_str(), filled) {
            ("In" | "NotIn", false) => {
                problems.push(loaded.problem(
                    &format!("{path}.values"),
                    format!("{} needs values", expression.operator),
                    "list them",
                ));
            }
            ("Exists" | "DoesNotExist", true) => problems.push(loaded.problem(
                &format!("{path}.values"),
                format!("{} takes no values", expression.operator),
                "remove them",
            )),
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            (other, _) => problems.push(loaded.problem(
                &format!("{path}.operator"),
                format!("{other:?} is not an operator"),
                "use In, NotIn, Exists or DoesNotExist",
            )),
        }
    }
}

fn correlation(loaded: &Loaded, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (at, correlation) in loaded.policy.spec.correlation.iter().enumerate() {
        let path = format!("spec.correlation[{at}].header");
        let header = correlation.header.to_ascii_lowercase();
        if !names::is_header(&header) {
            problems.push(loaded.problem(
                &path,
                format!("{:?} is not a header name", correlation.header),
                "use a name such as x-order-id",
            ));
        } else if header == "x-forwarded-for" {
            problems.push(loaded.problem(
                &path,
                "x-forwarded-for is not passed on unchanged",
                "use spec.waypoint.forwardedFor",
            ));
        } else if NEVER_PASSED_ON.contains(&header.as_str())
            || header.starts_with("x-forwarded-")
            || header.starts_with("x-envoy-")
        {
            problems.push(loaded.problem(
                &path,
                format!("proxies do not pass {header} on unchanged"),
                "use a header that the application sets",
            ));
        } else if header == "x-request-id" && correlation.proxy == CorrelatedProxy::Gateway {
            problems.push(loaded.problem(
                &path,
                "x-request-id cannot link requests inside a Gateway: Envoy replaces it",
                "remove it; Gateways are linked by x-forwarded-for and traceparent",
            ));
        }
        if !seen.insert((correlation.proxy == CorrelatedProxy::Gateway, header)) {
            problems.push(loaded.problem(&path, "named twice for this proxy", "remove one of them"));
        }
    }
}
