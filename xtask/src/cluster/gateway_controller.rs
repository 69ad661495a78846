//! Cilium's own Gateway API controller beside the API server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{ApiServer, keeper};
use crate::lab::privileged;
use crate::lab::process::Process;
use crate::setup;

const NAME: &str = "gateway-controller";
/// What its log says when it has looked for Gateway API and not found all of it. It goes on then, and does nothing.
const INCOMPLETE: &str = "Required GatewayAPI resources are not found";

/// It makes of every Gateway of a class of Cilium's a Service, an EndpointSlice and a CiliumEnvoyConfig, and writes conditions, as it
/// does in a cluster. It is killed when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Controller {
    process: Process,
    log: PathBuf,
}

impl Controller {
    /// Starts it as the cluster's admin, and returns when it works on Gateways. The definitions of Gateway API and Cilium have to be
    /// there (`ApiServer::define`): it looks for them once.
    pub fn start(server: &ApiServer) -> Result<Self> {
        let log = server.dir().join(format!("{NAME}.log"));
        // A former one has written to it, too.
        let begin = fs::read_to_string(&log).map_or(0, |text| text.len());
        let mut command = Command::new(setup::gateway_controller()?);
        command.arg("--k8s-kubeconfig-path").arg(server.kubeconfig());
        // The defaults are for a cluster's worth of Gateways; a test waits for each step.
        command.args(["--k8s-client-qps=200", "--k8s-client-burst=400"]);
        let mut process = keeper::start(NAME, command, server.dir())?;
        let outcome = process.ready("readiness", || {
            let text = fs::read_to_string(&log)?;
            let text = text.get(begin..).unwrap_or_default();
            if let Some(line) = text.lines().find(|line| line.contains(INCOMPLETE)) {
                return Ok(Some(Err(missing(line))));
            }
            Ok(works_on_gateways(text).then_some(Ok(())))
        })?;
        if let Err(missing) = outcome {
            bail!(
                "Cilium's Gateway controller does nothing without {missing}: define them first (`ApiServer::define`)"
            );
        }
        Ok(Self { process, log })
    }

    /// Whether a test that needs it can run; prints why not.
    ///
    /// # Panics
    /// As `cluster::available`.
    pub fn available(test: &str) -> bool {
        super::available(test)
            && privileged::unless(test, setup::gateway_controller().err().map(|error| format!("{error:#}")))
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Everything that it said.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }
}

/// The definitions that it has not found.
fn missing(line: &str) -> String {
    // Names stand in quotes, within the quotes of the log's own field.
    let names = line.split("\\\"").skip(1).step_by(2);
    names.collect::<Vec<_>>().join(", ")
}

/// controller-runtime says so of each kind, once its caches are filled.
fn works_on_gateways(log: &str) -> bool {
    log.lines().any(|line| line.contains("Starting workers") && line.contains("controllerKind=Gateway "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_has_not_found_is_named() {
        let line = r#"level=ERROR msg="Required GatewayAPI resources are not found, please refer to docs" error="crds \"a.x\" not found\ncrds \"b.x\" not found""#;
        assert_eq!(missing(line), "a.x, b.x");
    }
}
