//! What Cilium's operator makes of a set of objects: its own code, as a process that answers line by line (xtask/go/gateway-translator).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
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
    /// Kind, namespace, name and status of the parents of each route.
    #[serde(default)]
    pub routes: Vec<Value>,
}

/// The program, answering questions line by line.
pub struct Answers {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Answers {
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(setup::gateway_translator()?);
        command.args(arguments);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("gateway-translator")?;
        let input = process.stdin.take().expect("is piped");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        Ok(Self { process, input, output })
    }

    pub fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T> {
        let id = &question["id"];
        serde_json::to_writer(&mut self.input, question)?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("gateway-translator has ended at set {id}: {:?}", self.process.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("gateway-translator, set {id}: {line}"))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Translator(Answers);

impl Translator {
    pub fn start() -> Result<Self> {
        let definitions = setup::GATEWAY_API.folder()?.join("config/crd/standard");
        Ok(Self(Answers::start(&["--definitions", &definitions.display().to_string()])?))
    }

    /// Each order is a seed by which the operator's lists are shuffled: in a cluster they have none.
    pub fn translate(&mut self, set: &Set, orders: &[i64]) -> Result<Translated> {
        self.0.ask(&json!({"id": set.id, "orders": orders, "objects": set.objects}))
    }
}
