//! One JSON object a line: `ready`, `verdict`, `summary` (by `type`).

use std::io::{self, Write};

use serde::Serialize;

use crate::judge::{Explanation, Judged};
use crate::model::{Class, Verdict};

/// One verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
    r#type: &'static str,
    policy: String,
    #[serde(flatten)]
    verdict: &'a Verdict,
    class: &'a Class,
    r#final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<&'a Verdict>,
    message: String,
    /// ns of `CLOCK_BOOTTIME`.
    arrived: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

impl<'a> Line<'a> {
    pub fn of(judged: &'a Judged) -> Self {
        Self {
            r#type: "verdict",
            policy: judged.policy.to_string(),
            verdict: &judged.verdict,
            class: &judged.class,
            r#final: judged.is_final,
            withdrawn: judged.withdrawn.as_ref(),
            message: judged.key.to_string(),
            arrived: judged.arrived,
            explanation: judged.explanation.as_deref(),
        }
    }
}

pub fn verdict(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Line::of(judged))?;
    out.write_all(b"\n")
}

pub fn ready(out: &mut impl Write, findings: &[String], uncovered: &[String]) -> io::Result<()> {
    let line = serde_json::json!({"type": "ready", "findings": findings, "uncoveredNodes": uncovered});
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
