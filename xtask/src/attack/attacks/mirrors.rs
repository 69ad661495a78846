//! E6. Copies that a gateway makes of requests (RequestMirror to the backend): made by the gateway before the waypoint, and by the one
//! behind it. Envoy puts -shadow behind their authority.
//!
//! A copy made before the waypoint has not passed it: Bypassed(RouteBypass). One made behind it is a mirror of what did: Verified, and
//! counted as a mirror. The originals are Verified in both cases.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 5;

pub const ATTACK: Attack = Attack {
    name: "mirrors",
    source: "E6",
    about: "copies that are made before the waypoint and behind it",
    setting: Setting::Own,
    play,
};

/// The gateway's route as it is, and one that copies.
fn mirror(gateway: &str, to: &str, port: u16, path: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: mirror-{gateway}, namespace: hello}}
spec:
  parentRefs: [{{name: {gateway}}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
      backendRefs: [{{name: {to}, port: {port}}}]
      filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: hello-backend, port: 8083}}}}}}]
---
"
    )
}

fn play(stage: &mut Stage) -> Result<()> {
    let before = stage.legitimate("before", [("Verified", EACH as u64)]);
    let copies_before = stage.bypass("copies-before", [("Mirror Bypassed(RouteBypass)", EACH as u64)]);
    let behind = stage.legitimate("behind", [("Verified", EACH as u64)]);
    let copies_behind = stage.legitimate("copies-behind", [("Mirror Verified", EACH as u64)]);
    stage.copies(&before, &copies_before);
    stage.copies(&behind, &copies_behind);
    let routes = [
        mirror("hello-gateway", "hello-waypoint", 8080, &before),
        mirror("hello-upstream", "hello-backend", 8083, &behind),
    ];
    stage.lab.apply(&routes.concat())?;
    stage.observe(&[])?;
    let (client, front) = (stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?);
    for path in [before, behind] {
        gets(&client, front, &path, EACH)?;
    }
    stage.settle()?;
    stage.exits(&[1])
}
