//! I. A second HTTPRoute with an equal match: Cilium merges both into one cluster with the backends of both, so that every second request
//! skips the waypoint, over the same connections, and no header tells which.
//!
//! Each request is judged for itself, by the way that it took (the backend's answer says how many proxies passed it on):
//! Verified, or Bypassed(RouteBypass).

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;
use crate::demo::Count;

const REQUESTS: usize = 40;

pub const ATTACK: Attack = Attack {
    name: "split-routes",
    source: "I",
    about: "an equal match in a second route sends every second request past the waypoint",
    setting: Setting::Own,
    play,
};

const EQUAL: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: equal, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules: [{matches: [{path: {type: PathPrefix, value: /}}], backendRefs: [{name: hello-backend, port: 8083}]}]
";

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.apply(EQUAL)?;
    stage.observe(&[])?;
    let legitimate = stage.legitimate("through", [("Verified", Count::AtLeast(5))]);
    let bypass = stage.bypass("past", [("Bypassed(RouteBypass)", Count::AtLeast(5))]);
    let paths: Vec<_> = (0..REQUESTS).map(|n| format!("/either/{n}")).collect();
    let requests = paths.iter().map(|path| Request::get(path)).collect();
    let outcomes = send(&stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?, requests)?;
    for (path, outcome) in paths.iter().zip(&outcomes) {
        let passed_on = outcome.header("x-lab-forwarded-for").unwrap_or_default().split(',').count();
        stage.was(path, if passed_on == 2 { &legitimate } else { &bypass });
    }
    stage.settle()?;
    stage.exits(&[1])
}
