//! E4, E48. A listener of Envoy that no object of the inventory explains (a hand-written CiliumEnvoyConfig, a Gateway that the dump has not)
//! leads to the backend; and one that leads to the waypoint.
//!
//! Which gateway was entered is not known, and nothing is guessed: Unverified(gatewayUnknown) for both.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "unknown-listener",
    source: "E4",
    about: "a listener that no object explains leads to the backend, and one to the waypoint",
    setting: Setting::Own,
    play,
};

const ROUTES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: other, namespace: other}
spec:
  parentRefs: [{name: other-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /bypass}}]
      backendRefs: [{name: hello-backend, namespace: hello, port: 8083}]
    - matches: [{path: {type: PathPrefix, value: /legit}}]
      backendRefs: [{name: hello-waypoint, namespace: hello, port: 8080}]
";

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.apply(ROUTES)?;
    stage
        .lab
        .edit_cluster(|object| !object["metadata"]["name"].as_str().unwrap_or_default().contains("other-gateway"))?;
    stage.observe(&[])?;
    let (client, to) = (stage.lab.client("client-1")?, stage.lab.gateway("other-gateway")?);
    let bypass = stage.bypass("backend", [("Unverified(gatewayUnknown)", EACH as u64)]);
    gets(&client, to, &bypass, EACH)?;
    // The right way, for all that is known.
    let waypoint = stage.legitimate("waypoint", [("Unverified(gatewayUnknown)", EACH as u64)]);
    gets(&client, to, &waypoint, EACH)?;
    stage.settle()?;
    stage.exits(&[3])
}
