//! What a change of one object costs a verifier, whatever it means.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Stage;
use crate::bench::proc;

const CHANGES: u32 = 20;
/// More than a verifier waits for others that come with it.
const BETWEEN: Duration = Duration::from_millis(300);

impl Stage {
    /// Labels of a pod that nobody selects by, again and again; in words.
    pub fn changes(&self) -> Result<String> {
        let pid = self.verifiers.first().context("no verifier")?.pid()?;
        let client = self.experiment.server.client();
        let pod = self.experiment.plan.pods_of("client").next().context("there is no client")?;
        let pods = client.api::<Pod>(&pod.namespace);
        let used = |each: &dyn Fn(u32) -> Result<()>| -> Result<f64> {
            let before = proc::cpu(pid)?;
            for n in 0..CHANGES {
                let began = Instant::now();
                each(n)?;
                std::thread::sleep(BETWEEN.saturating_sub(began.elapsed()));
            }
            Ok((proc::cpu(pid)? - before).as_secs_f64())
        };
        let idle = used(&|_| Ok(()))?;
        let changed = used(&|n| {
            let patch = Patch::Merge(json!({"metadata": {"labels": {"changed": n.to_string()}}}));
            client.run(pods.patch(&pod.name, &PatchParams::default(), &patch))?;
            Ok(())
        })?;
        let each = (changed - idle).max(0.0) / f64::from(CHANGES);
        Ok(format!("\nA change of one object: {:.0} ms of CPU.", each * 1e3))
    }
}
