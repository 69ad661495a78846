//! What Cilium's operator makes of a set of objects: its own code, as a process that answers line by line (xtask/go/gateway-translator).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use xtask::setup;

use super::model::Backend;

/// Kubernetes objects as JSON, and a name for reports.
#[derive(Debug, Clone)]
pub struct Set {
    pub id: String,
    pub objects: Vec<Value>,
}

impl Set {
    /// Whether its Service has this port.
    pub fn has(&self, backend: &Backend) -> bool {
        let is_service = |object: &&Value| {
            object["kind"] == "Service"
                && object["metadata"]["namespace"] == backend.namespace.as_str()
                && object["metadata"]["name"] == backend.service.as_str()
        };
        let services = self.objects.iter().filter(is_service);
        services
            .flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten())
            .any(|port| port["port"] == backend.port)
    }
}

#[derive(Debug, Deserialize)]
pub struct Translated {
    /// What the API server would not have taken, and why; nothing is translated then.
    #[serde(default)]
    pub refused: Vec<String>,
    /// What may come of it: one for each order of lists that makes a difference.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
pub struct Outcome {
    /// CiliumEnvoyConfigs.
    pub configs: Vec<Value>,
    /// What the operator could not do, and why.
    #[serde(default)]
    pub failures: Vec<String>,
}

pub struct Translator {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Translator {
    pub fn start() -> Result<Self> {
        let mut command = Command::new(setup::gateway_translator()?);
        command.arg("--definitions").arg(setup::GATEWAY_API.folder()?.join("config/crd/standard"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("gateway-translator")?;
        let input = process.stdin.take().expect("is piped");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        Ok(Self { process, input, output })
    }

    /// Each order is a seed by which the operator's lists are shuffled: in a cluster they have none.
    pub fn translate(&mut self, set: &Set, orders: &[i64]) -> Result<Translated> {
        let question = json!({"id": set.id, "orders": orders, "objects": set.objects});
        serde_json::to_writer(&mut self.input, &question)?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("gateway-translator has ended at set {}: {:?}", set.id, self.process.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("gateway-translator, set {}: {line}", set.id))
    }
}

impl Drop for Translator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
