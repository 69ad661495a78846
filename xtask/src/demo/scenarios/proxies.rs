//! What proxies do by themselves and may do.

use anyhow::ensure;

use super::{Play, through_the_path};
use crate::client::{Request, Script};
use crate::demo::counts::Expected;
use crate::demo::scenario::Stage;
use crate::demo::scenarios::compliant::all_answered;

pub fn retries(stage: &mut Stage) -> Play {
    const REQUESTS: usize = 5;
    const ATTEMPTS: usize = 4;
    stage.observe((REQUESTS * ATTEMPTS) as u64, REQUESTS * ATTEMPTS, |lab| {
        let request = Request::get("/status/503").header("x-envoy-retry-on", "5xx").header("x-envoy-max-retries", "3");
        let script = Script::keep_alive(lab.gateway("hello-gateway")?, vec![request; REQUESTS]);
        let outcomes = lab.client("client-1")?.run(&script)?;
        ensure!(outcomes.iter().all(|outcome| outcome.status == 503), "not answered with 503: {outcomes:?}");
        Ok(())
    })?;
    Ok(Expected::exit(0).verified((REQUESTS * ATTEMPTS) as u64))
}

const REQUESTS: usize = 10;

pub fn mirror_behind(stage: &mut Stage) -> Play {
    mirror(stage, "hello-upstream", "hello-backend", 8083)?;
    Ok(Expected::exit(0).verified(REQUESTS as u64).mirrors(REQUESTS as u64))
}

pub fn mirror_before(stage: &mut Stage) -> Play {
    mirror(stage, "hello-gateway", "hello-waypoint", 8080)?;
    Ok(Expected::exit(1).verified(REQUESTS as u64).bypassed("RouteBypass", REQUESTS as u64))
}

/// The gateway's route as it is, with a copy of each request to the backend.
fn mirror(stage: &mut Stage, gateway: &str, to: &str, port: u16) -> anyhow::Result<()> {
    stage.apply(&format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {gateway}, namespace: hello}}
spec:
  parentRefs: [{{name: {gateway}}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /}}}}]
      backendRefs: [{{name: {to}, port: {port}}}]
      filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: hello-backend, port: 8083}}}}}}]
"
    ))?;
    stage.observe(REQUESTS as u64, 2 * REQUESTS, |lab| {
        all_answered(lab.client("client-1")?.run(&through_the_path(lab, REQUESTS, "/")?)?, REQUESTS)
    })?;
    Ok(())
}
