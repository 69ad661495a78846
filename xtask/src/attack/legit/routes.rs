//! What routes of the demanded path do with honest requests: a redirect that the client follows, a retry policy, a timeout, a header
//! filter, a mirror behind the waypoint.
//!
//! Verified. A redirect is answered by the gateway; only the request that follows arrives. Each attempt of a retry arrives and is
//! Verified; the mirror's copies are of their own class.

use anyhow::{Result, ensure};

use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::client::{Request, Script};
use crate::demo::Count;

pub const ATTACK: Attack = Attack {
    name: "legit-routes",
    source: "clients",
    about: "redirects, retries, timeouts, header filters, and a mirror behind the waypoint",
    setting: Setting::Own,
    play,
};

const EACH: usize = 5;

const ROUTES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: honest, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /legit/legit-routes/retried}}]
      backendRefs: [{name: hello-waypoint, port: 8080}]
      retry: {codes: [503], attempts: 2, backoff: 10ms}
    - matches: [{path: {type: PathPrefix, value: /legit/legit-routes/late}}]
      backendRefs: [{name: hello-waypoint, port: 8080}]
      timeouts: {request: 300ms}
    - matches: [{path: {type: PathPrefix, value: /legit/legit-routes/filtered}}]
      backendRefs: [{name: hello-waypoint, port: 8080}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-tenant, value: a}], remove: [x-secret]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  hostnames: [old.example]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: new.example}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mirrored, namespace: hello}
spec:
  parentRefs: [{name: hello-upstream}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /legit/legit-routes/mirrored}}]
      backendRefs: [{name: hello-backend, port: 8083}]
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: hello-backend, port: 8083}}}]
";

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.apply(ROUTES)?;
    stage.observe(&[])?;
    let each = EACH as u64;
    let (client, front) = (stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?);
    let send = |stage: &mut Stage, name: &str, query: &str, expected: Vec<(&'static str, Count)>, status: u16| {
        let path = stage.declare(Intent::Legitimate, name, expected);
        // Cilium's routes say how often to retry; whether, only a client does.
        let request = Request::get(&format!("{path}{query}"))
            .header("x-secret", "s")
            .header("x-envoy-retry-on", "retriable-status-codes");
        let outcomes = client.run(&Script::keep_alive(front, vec![request; EACH]))?;
        let said: Vec<u16> = outcomes.iter().map(|outcome| outcome.status).collect();
        ensure!(said == vec![status; EACH], "{name}: {said:?}");
        anyhow::Ok(())
    };
    send(stage, "retried", "?status=503", vec![("Verified", (3 * each).into())], 503)?;
    send(stage, "late", "?sink=/late/800", vec![("Verified", each.into())], 504)?;
    send(stage, "filtered", "", vec![("Verified", each.into())], 200)?;
    send(
        stage,
        "mirrored",
        "",
        vec![("Verified", each.into()), ("Mirror Unverified(ambiguous)", Count::Any), ("Mirror Verified", Count::Any)],
        200,
    )?;

    let path = stage.legitimate("redirected", [("Verified", each)]);
    for _ in 0..EACH {
        // Both names are the front door's.
        let to = format!("::{front}");
        let url = format!("http://old.example{path}");
        let options = ["--silent", "--fail", "--output", "/dev/null", "--write-out", "%{num_redirects}", "--location"];
        let redirects = client.output("curl", &[&options[..], &["--connect-to", &to, &url]].concat())?;
        ensure!(redirects == "1", "{redirects} redirects");
    }
    stage.settle()?;
    stage.exits(&[0, 3])
}
