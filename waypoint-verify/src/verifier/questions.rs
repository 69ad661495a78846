//! What the verifier that judges is asked, beyond the report that it publishes: it answers between two pieces of evidence.

use serde_json::Value;
use tokio::sync::oneshot;

use super::canary::{Asked, Order, Refused, Sent, Told};
use super::recent::Wanted;
use super::report::PolicyReport;
use crate::model::NamespacedName;

/// Questions that wait for an answer.
pub const WAITING: usize = 64;

#[derive(Debug)]
pub enum Question {
    /// A policy's report as it was so many seconds ago. No answer: that is not known.
    Earlier { policy: NamespacedName, age: u64, answer: oneshot::Sender<Option<PolicyReport>> },
    /// The newest verdicts under a policy. No answer: it is not judged.
    Verdicts { policy: NamespacedName, wanted: Wanted, answer: oneshot::Sender<Option<Vec<Value>>> },
    /// What the objects declare beside what was seen. No answer: it was not read yet.
    Declared { policy: NamespacedName, answer: oneshot::Sender<Option<Value>> },
    /// Canaries to send.
    Issue { asked: Asked, answer: oneshot::Sender<Result<Vec<Order>, Refused>> },
    /// What came of sending one. The answer: whether the pod has such a one.
    Sent { pod: String, id: String, sent: Sent, answer: oneshot::Sender<bool> },
    /// What came of the canaries of one run.
    Canaries { policy: NamespacedName, run: String, answer: oneshot::Sender<Vec<Told>> },
}
