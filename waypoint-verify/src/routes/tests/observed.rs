//! What was declared beside what was seen.

use std::collections::BTreeMap;

use super::{analysis, line};
use crate::routes::compare;

fn compared(bypassed: &[(&str, u64)]) -> (Vec<String>, Vec<String>, Vec<(String, u64)>) {
    let bypassed: BTreeMap<_, _> = bypassed.iter().map(|(kinds, count)| ((*kinds).to_owned(), *count)).collect();
    let analysis = analysis(&[]);
    let compared = compare(&analysis, &bypassed);
    let lines = |paths: &[&crate::routes::Path]| paths.iter().map(|path| line(path)).collect();
    (lines(&compared.seen), lines(&compared.unseen), compared.undeclared)
}

const POD: &str = "DirectConnection: Deployment hello/backend :any";
const SERVICE: &str = "DirectConnection: Service hello/backend :8084";
const UPSTREAM: &str =
    "UpstreamBypass: Gateway hello/upstream > HTTPRoute hello/upstream > Service hello/backend :8084";

#[test]
fn what_nobody_took_is_a_risk() {
    assert_eq!(compared(&[]), (vec![], vec![POD.into(), SERVICE.into(), UPSTREAM.into()], vec![]));
    assert_eq!(compared(&[("UpstreamBypass", 2)]), (vec![UPSTREAM.into()], vec![POD.into(), SERVICE.into()], vec![]));
    assert_eq!(compared(&[("UpstreamBypass", 0)]).0, [""; 0]);
}

#[test]
fn what_no_object_declares_is_a_hole() {
    // The base has no route past the waypoint.
    assert_eq!(compared(&[("RouteBypass", 3)]).2, [("RouteBypass".to_owned(), 3)]);
    // One of both is declared, and it may have been this one.
    assert_eq!(compared(&[("RouteBypass or UpstreamBypass", 3)]).2, []);
    // What a proxy makes up, or nobody sees, is no path.
    assert_eq!(compared(&[("WaypointOrigin", 1), ("UnknownSender", 1)]).2, []);
}
