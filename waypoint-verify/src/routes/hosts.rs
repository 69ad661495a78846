//! Host names of listeners and routes: where they meet, and which of several a request's name belongs to.

/// Every name.
pub const ANY: &str = "*";

/// Whether `name` is of `domain`, which may be `*` or `*.suffix`; a wildcard stands for one label or more (Gateway API's
/// Hostname; Envoy's domains).
pub fn covers(domain: &str, name: &str) -> bool {
    if domain == ANY {
        return true;
    }
    match domain.strip_prefix('*') {
        Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
        None => domain == name,
    }
}

/// Whether some name is of both.
pub fn intersect(a: &str, b: &str) -> bool {
    covers(a, b) || covers(b, a) || (a.starts_with("*.") && b.starts_with("*.") && nested(a, b))
}

/// One wildcard lies within the other (`*.a.example` in `*.example`).
fn nested(a: &str, b: &str) -> bool {
    a[1..].ends_with(&b[1..]) || b[1..].ends_with(&a[1..])
}

/// The narrower of two that meet.
pub fn meet<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    if !intersect(a, b) {
        None
    } else if covers(a, b) || (a.starts_with('*') && b.starts_with('*') && b.len() >= a.len()) {
        Some(b)
    } else {
        Some(a)
    }
}

/// Precedence of a domain among those that cover a name: an exact one, then the longest wildcard, then `*`.
pub fn precedence(domain: &str) -> (bool, usize) {
    (!domain.starts_with('*'), domain.len())
}

/// Names under which Cilium 1.20 serves a route on a listener (`ComputeHosts`, operator/pkg/model/helpers.go): where both
/// meet, without those that `others`, the names of the Gateway's listeners of this protocol on whatever port, claim.
pub fn computed_by_cilium(route: &[String], listener: Option<&str>, others: &[&str]) -> Vec<String> {
    let own = listener.unwrap_or_default();
    if route.is_empty() {
        return vec![if own.is_empty() { ANY.to_owned() } else { own.to_owned() }];
    }
    let mut names = Vec::new();
    for name in route {
        let wild = (own.starts_with('*'), name.starts_with('*'));
        if own.is_empty() {
            if !isolated(name, own, others) {
                names.push(name.clone());
            }
        } else if own == name {
            names.push(name.clone());
        } else if wild == (true, true) && wildcards_meet(name, own) && !isolated(name, own, others) {
            let longer = if own.split('.').count() > name.split('.').count() { own } else { name };
            names.push(longer.to_owned());
        } else if wild.0 {
            if under(name, own) && !isolated(name, own, others) {
                names.push(name.clone());
            }
        } else if wild.1 && under(own, name) {
            names.push(own.to_owned());
        }
    }
    names
}

/// `checkHostNameIsolation`: another listener is more specific about this name.
fn isolated(name: &str, own: &str, others: &[&str]) -> bool {
    others
        .iter()
        .filter(|other| **other != own)
        .any(|other| *other == name || (other.starts_with('*') && under(name, other) && other.len() > own.len()))
}

/// `hostnameMatchesWildcardHostname`: `name` may itself be a wildcard.
fn under(name: &str, wildcard: &str) -> bool {
    let suffix = wildcard.strip_prefix('*').unwrap_or(wildcard);
    name.len() > suffix.len() && name.ends_with(suffix)
}

/// `wildcardHostnamesIntersect`.
fn wildcards_meet(a: &str, b: &str) -> bool {
    if a == ANY || b == ANY {
        return true;
    }
    let labels = |name: &str| name.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (labels(a), labels(b));
    let mut equal = 0;
    for (x, y) in a.iter().zip(&b) {
        if x == "*" || y == "*" {
            break;
        }
        if x != y {
            return false;
        }
        equal += 1;
    }
    equal > 0
}
