//! The oracle itself: what is known of Cilium 1.20 (it shares tables, merges routes, drops backends) comes out through a real Envoy.

mod rows;

use std::collections::BTreeSet;

use serde::Deserialize as _;

use super::model::{Heard, Request};
use super::oracle::{Oracle, Truth};
use super::translate::Set;

/// Two namespaces with three Services each, and a Gateway with two plaintext ports.
const COMMON: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {team: b}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: cilium}
spec: {controllerName: io.cilium/gateway-controller}
---
{apiVersion: v1, kind: Service, metadata: {name: one, namespace: a}, spec: {type: ClusterIP, ports: [{name: http, port: 80, protocol: TCP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: two, namespace: a}, spec: {type: ClusterIP, ports: [{name: http, port: 80, protocol: TCP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: far, namespace: b}, spec: {type: ClusterIP, ports: [{name: http, port: 80, protocol: TCP}]}}
---
";

struct Row {
    fact: &'static str,
    objects: String,
    /// Requests to `front`, and everything that may come of each, in whatever order the operator lists its routes.
    asks: Vec<(Request, &'static [&'static str])>,
}

fn set(id: &str, text: &str) -> Set {
    let documents = serde_norway::Deserializer::from_str(text);
    let read =
        |document| serde_json::Value::deserialize(document).unwrap_or_else(|error| panic!("{id}: {error}\n{text}"));
    Set { id: id.to_owned(), objects: documents.map(read).filter(|object| !object.is_null()).collect() }
}

#[test]
fn what_is_known_of_cilium_comes_out_through_envoy() {
    if !super::available("what_is_known_of_cilium_comes_out_through_envoy") {
        return;
    }
    let rows = rows::rows();
    let batch: Vec<_> = rows
        .iter()
        .map(|row| {
            let requests = row.asks.iter().map(|(request, _)| request.clone()).collect();
            (set(row.fact, &format!("{COMMON}{}", row.objects)), requests)
        })
        .collect();
    let truths = Oracle::start(&super::dir("facts")).unwrap().ask(&batch, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let mut wrong = Vec::new();
    for (row, truth) in rows.iter().zip(truths) {
        let worlds = match truth {
            Truth::Told(worlds) => worlds,
            Truth::Refused(why) => panic!("{}: {why:?}", row.fact),
        };
        assert!(!worlds.is_empty(), "{}", row.fact);
        for (n, (request, expected)) in row.asks.iter().enumerate() {
            let heard: BTreeSet<String> = worlds.iter().map(|world| shown(&world.heard[n])).collect();
            if heard != expected.iter().map(ToString::to_string).collect() {
                wrong.push(format!("{}\n  {request}\n  expected {expected:?}\n  heard    {heard:?}", row.fact));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shown(heard: &Heard) -> String {
    match heard {
        Heard::Answer(answer) => answer.to_string(),
        Heard::Refused(_) => "refused".to_owned(),
        Heard::Nothing => "nothing".to_owned(),
    }
}
