//! Dead Simple Signing Envelope, version 1: octets with a type, and signatures over both.
//!
//! Source: github.com/secure-systems-lab/dsse, `envelope.md` and `protocol.md`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use super::keys::{KeyError, PublicKey, SigningKey};

/// Of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Octets of an envelope, and signatures in one.
pub const SIZE: usize = 16 << 20;
const SIGNATURES: usize = 64;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub payload_type: String,
    /// Base64.
    pub payload: String,
    pub signatures: Vec<Signature>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// Not signed itself: a hint, which nothing is decided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
    /// Base64.
    pub sig: String,
}

/// Why an envelope is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is no DSSE envelope ({0})")]
    Form(String),
    #[error("its payload is a {0:?}, not {PAYLOAD_TYPE}")]
    Type(String),
    #[error("its {0} is no base64 as it is written in one way only")]
    Base64(&'static str),
    #[error("it holds {0} signatures; from 1 to {SIGNATURES} are read")]
    Count(usize),
    #[error("none of its {0} signatures is by this key: another key signed it, or it was changed since")]
    Signature(usize),
}

/// What was signed by the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub payload: Vec<u8>,
    /// Signatures that are not by this key: of them nothing is known.
    pub others: usize,
}

/// Pre-authentication encoding: what is signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut octets = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    octets.extend_from_slice(payload);
    octets
}

pub fn seal(payload: &[u8], key: &SigningKey) -> Result<Envelope, KeyError> {
    let signature = key.sign(&pae(PAYLOAD_TYPE, payload))?;
    let keyid = Some(key.public().id().to_string());
    Ok(Envelope {
        payload_type: PAYLOAD_TYPE.into(),
        payload: STANDARD.encode(payload),
        signatures: vec![Signature { keyid, sig: STANDARD.encode(signature) }],
    })
}

/// Opens an envelope that this key has signed; nothing of its content is read before that is known.
pub fn open(octets: &[u8], key: &PublicKey) -> Result<Opened, Refused> {
    if octets.len() > SIZE {
        return Err(Refused::Form(format!("{} octets, and {SIZE} are the most", octets.len())));
    }
    let envelope: Envelope = serde_json::from_slice(octets).map_err(|error| Refused::Form(error.to_string()))?;
    let count = envelope.signatures.len();
    if !(1..=SIGNATURES).contains(&count) {
        return Err(Refused::Count(count));
    }
    let payload = decoded(&envelope.payload).ok_or(Refused::Base64("payload"))?;
    let signed = pae(&envelope.payload_type, &payload);
    let mut valid = 0;
    for signature in &envelope.signatures {
        let signature = decoded(&signature.sig).ok_or(Refused::Base64("signature"))?;
        valid += usize::from(key.has_signed(&signed, &signature));
    }
    if valid == 0 {
        return Err(Refused::Signature(count));
    }
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Refused::Type(envelope.payload_type));
    }
    Ok(Opened { payload, others: count - valid })
}

/// Both alphabets are allowed; padding and the last bits are as they have to be.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
