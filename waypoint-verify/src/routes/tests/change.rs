//! What a change opens and closes.

use super::{BASE, analysis, lines};
use crate::routes::{Assumptions, Change};

const SHADOW: &str = "{apiVersion: v1, kind: Service, metadata: {name: shadow, namespace: hello}, spec: {selector: {app: backend}, ports: [{port: 1, targetPort: 8085}]}}";
const ROUTE: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: hello}, spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {value: /x}}], backendRefs: [{name: backend, port: 8083}]}]}}";

#[test]
fn what_is_added_is_opened_and_what_is_gone_is_closed() {
    let (base, head) = (analysis(&[SHADOW]), analysis(&[ROUTE]));
    let change = Change::between(&base, &head);
    assert_eq!(
        lines(&change.opened),
        ["RouteBypass: Gateway hello/front > HTTPRoute hello/r > Service hello/backend :8084"]
    );
    assert_eq!(lines(&change.closed), ["DirectConnection: Service hello/shadow :8085"]);
    assert!(change.opens_past() && !change.is_partial());
    let back = Change::between(&head, &base);
    assert_eq!((back.opened, back.closed), (change.closed, change.opened));
    let none = Change::between(&head, &head);
    assert!(!none.opens_past() && none.opened.is_empty() && none.closed.is_empty());
}

#[test]
fn the_same_path_by_another_file_is_no_change() {
    let moved = super::world(&[ROUTE, BASE]);
    let head = crate::routes::analyze(&moved, &super::demand(), &Assumptions::default());
    assert!(Change::between(&analysis(&[ROUTE]), &head).opened.is_empty());
}

#[test]
fn a_removal_can_open_a_path() {
    // Without the backend that takes it all, the one of weight 0 gets everything (facts about Cilium).
    let weights = ROUTE.replace(
        "[{name: backend, port: 8083}]",
        "[{name: backend, port: 8083, weight: 0}, {name: helper, port: 1, weight: 1}]",
    );
    let helper =
        "{apiVersion: v1, kind: Service, metadata: {name: helper, namespace: hello}, spec: {ports: [{port: 1}]}}";
    let change = Change::between(&analysis(&[&weights, helper]), &analysis(&[&weights]));
    assert_eq!(
        lines(&change.opened),
        ["RouteBypass: Gateway hello/front > HTTPRoute hello/r > Service hello/backend :8084"]
    );
}

#[test]
fn a_door_that_opens_to_the_outside_is_a_change() {
    let outside = SHADOW.replace("{selector", "{type: NodePort, selector");
    let change = Change::between(&analysis(&[SHADOW]), &analysis(&[&outside]));
    // Whoever could take it still can.
    assert_eq!((change.opened.len(), change.closed.len()), (1, 0));
    assert!(change.opens_past());
    let back = Change::between(&analysis(&[&outside]), &analysis(&[SHADOW]));
    assert_eq!((back.opened.len(), back.closed.len()), (0, 1));
}
