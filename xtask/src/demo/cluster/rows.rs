//! The rows: an overlay of manifests/experiment, the traffic that takes it, and what has to be said of it.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Outcome, Stage};
use crate::client::Request;
use crate::cluster::installation::condition;

const REQUESTS: usize = 20;

#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// A folder of manifests/experiment, applied before and deleted after.
    overlay: Option<&'static str>,
    /// The Gateway that leads to the backend with it, where one does.
    gateway: Option<(&'static str, &'static str)>,
    traffic: fn(&Stage) -> Result<()>,
    /// The kind of bypass; none: all are verified.
    expected: Option<&'static str>,
}

pub const ALL: &[Row] = &[
    Row {
        name: "compliant",
        overlay: None,
        gateway: None,
        traffic: |stage| stage.send("client-1", stage.lab.gateway("hello-gateway")?, plain()),
        expected: None,
    },
    Row {
        name: "bypass-route",
        overlay: Some("bypass-route"),
        gateway: Some(("hello", "hello-gateway")),
        traffic: |stage| {
            // What the route takes for sampled.
            let traceparent = "00-00000000000000000000000000000abc-0000000000000010-01";
            let requests = plain().into_iter().map(|request| request.header("traceparent", traceparent)).collect();
            stage.send("client-2", stage.lab.gateway("hello-gateway")?, requests)
        },
        expected: Some("RouteBypass"),
    },
    Row {
        name: "bypass-gateway",
        overlay: Some("bypass-gateway"),
        gateway: Some(("other", "other-gateway")),
        traffic: |stage| stage.send("client-3", stage.lab.gateway("other-gateway")?, plain()),
        expected: Some("RouteBypass"),
    },
    Row {
        name: "bypass-upstream",
        overlay: None,
        gateway: None,
        traffic: |stage| stage.send("client-4", stage.lab.gateway("hello-upstream")?, plain()),
        expected: Some("UpstreamBypass"),
    },
    Row {
        name: "bypass-direct",
        overlay: None,
        gateway: None,
        traffic: |stage| stage.send("client-5", stage.lab.service("hello-backend")?, plain()),
        expected: Some("DirectConnection"),
    },
    Row {
        name: "bypass-nodeport",
        overlay: Some("bypass-nodeport"),
        gateway: None,
        traffic: |stage| stage.send("client-6", stage.lab.node_port("node-1", "hello-backend-nodeport")?, plain()),
        expected: Some("DirectConnection"),
    },
    Row {
        name: "compliant-again",
        overlay: None,
        gateway: None,
        traffic: |stage| stage.send("client-7", stage.lab.gateway("hello-gateway")?, plain()),
        expected: None,
    },
];

fn plain() -> Vec<Request> {
    vec![Request::get("/"); REQUESTS]
}

impl Row {
    pub const HEADER: &'static str = "row               gate verified bypassed                   condition Verified";

    /// From a changed policy on: what the rows before it came to counts no more.
    pub fn play(&self, stage: &mut Stage) -> Result<Outcome> {
        if let Some(overlay) = self.overlay {
            stage.open(overlay, self.gateway)?;
        }
        stage.begin_anew()?;
        let gate = stage.gate(REQUESTS as u64)?;
        (self.traffic)(stage)?;
        let (exit, found) = gate.end()?;
        let (status, reason) = match self.expected {
            None => ("True", "Verified"),
            Some(_) => ("False", "Bypassed"),
        };
        let written = stage.wait_for("Verified", status, reason)?;
        let verified = condition(&written, "Verified").context("no such condition")?;
        let text = |field: &str| verified[field].as_str().unwrap_or_default().to_owned();
        if let Some(overlay) = self.overlay {
            stage.close(overlay, self.gateway)?;
        }
        Ok(Outcome {
            exit,
            verified: found["since"]["verified"].as_u64().unwrap_or_default(),
            bypassed: found["since"]["bypassed"].clone(),
            condition: (text("status"), text("reason")),
        })
    }

    pub fn shown(&self, outcome: &Outcome) -> String {
        let bypassed = outcome.bypassed.as_object().into_iter().flatten();
        let bypassed: Vec<_> = bypassed.map(|(kind, count)| format!("{kind} {count}")).collect();
        let bypassed = if bypassed.is_empty() { "-".to_owned() } else { bypassed.join(", ") };
        let (status, reason) = &outcome.condition;
        format!("{:<17} {:>4} {:>8} {bypassed:<26} {status} ({reason})", self.name, outcome.exit, outcome.verified)
    }

    /// The gate ends at the first bypass that it hears of: of how many it hears then is a matter of time.
    pub fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, got: Value, wanted: Value| {
            if got != wanted {
                wrong.push(format!("{what} is {got}, not {wanted}"));
            }
        };
        match self.expected {
            None => {
                check("the gate's code", json!(outcome.exit), json!(0));
                check("verified", json!(outcome.verified), json!(REQUESTS));
                check("bypassed", outcome.bypassed.clone(), json!({}));
            }
            Some(kind) => {
                check("the gate's code", json!(outcome.exit), json!(1));
                check("verified", json!(outcome.verified), json!(0));
                let kinds: Vec<_> = outcome.bypassed.as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
                check("bypassed", json!(kinds), json!([kind]));
            }
        }
        wrong
    }
}
