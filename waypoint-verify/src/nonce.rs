//! Requests that are sent to see whether they are seen: each bears a nonce that nobody can guess, as its trace id.

use serde::{Deserialize, Serialize};

/// Of octets that nobody can guess: 32 hexadecimal digits.
pub fn of(octets: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(octets))
}

/// The header `traceparent` (W3C Trace Context, 3.2) with this trace id, not sampled. `None`: it is none.
pub fn traceparent(nonce: &str) -> Option<String> {
    Some(format!("00-{nonce}-{}-00", nonce.get(..16)?))
}

/// What came of sending, as the sender saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sent {
    /// With this status.
    Answered(u16),
    /// No connection came about.
    NotConnected(String),
    /// The connection broke before an answer was there.
    Broken(String),
}
