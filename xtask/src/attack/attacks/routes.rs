//! E4, E5, I. Routes that reach the backend without the waypoint: in the front door's own table by path, by header, by a regular
//! expression that beats every prefix, and by a weight of 0 beside a backend that is missing (which is all of the traffic, in Cilium);
//! and by a Gateway of another namespace with a ReferenceGrant.
//!
//! Bypassed(RouteBypass): the gateway's socket sent it, and nothing that came through the waypoint can have caused it. A weight of
//! 99 for what is missing takes nothing from the waypoint: Verified.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;
use crate::demo::past;

const EACH: u64 = 4;

pub const ATTACK: Attack = Attack {
    name: "routes",
    source: "E4 E5 I",
    about: "routes past the waypoint: by path, header, expression, weight, and of another Gateway",
    setting: Setting::Own,
    play,
};

const ROUTES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: past, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /bypass/routes/path}}]
      backendRefs: [{name: hello-backend, port: 8083}]
    - matches: [{path: {type: PathPrefix, value: /}, headers: [{name: x-skip, value: please}]}]
      backendRefs: [{name: hello-backend, port: 8083}]
    - matches: [{path: {type: RegularExpression, value: '/.*/routes/express.*'}}]
      backendRefs: [{name: hello-backend, port: 8083}]
    - matches: [{path: {type: PathPrefix, value: /bypass/routes/weight}}]
      backendRefs: [{name: hello-backend, port: 8083, weight: 0}, {name: missing, port: 80, weight: 1}]
    - matches: [{path: {type: PathPrefix, value: /legit/routes/weight}}]
      backendRefs: [{name: hello-waypoint, port: 8080, weight: 1}, {name: missing, port: 80, weight: 99}]
";

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.apply(ROUTES)?;
    stage.lab.apply(past::OTHER_GATEWAY)?;
    stage.observe(&[])?;
    let client = stage.lab.client("client-1")?;
    let (front, other) = (stage.lab.gateway("hello-gateway")?, stage.lab.gateway("other-gateway")?);
    for (name, to) in [("path", front), ("header", front), ("expression", front), ("weight", front), ("other", other)] {
        let path = stage.bypass(name, [("Bypassed(RouteBypass)", EACH)]);
        let request = Request::get(&path);
        let request = if name == "header" { request.header("x-skip", "please") } else { request };
        send(&client, to, vec![request; EACH as usize]).with_context(|| name.to_owned())?;
    }
    for name in ["plain", "weight"] {
        let path = stage.legitimate(name, [("Verified", EACH)]);
        send(&client, front, vec![Request::get(&path); EACH as usize])?;
    }
    stage.settle()?;
    stage.exits(&[1])
}
