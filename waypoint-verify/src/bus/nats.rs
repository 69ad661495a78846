//! The bus itself: NATS with JetStream. Agents publish and wait for the acknowledgement; the verifier owns the streams.

mod agent;
mod verifier;

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;

pub use agent::{AgentBus, Credentials};
pub use verifier::{Streams, VerifierBus};

/// How long to wait for an answer of the server.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Where the bus is.
#[derive(Clone, Debug)]
pub struct Address {
    /// `tls://host:port`, several separated by commas; `nats://` is without encryption.
    pub url: String,
    /// Certificates to trust, in PEM; those of the system otherwise.
    pub ca: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("NATS at {url}: {error} (is it reachable, and is its certificate of --ca?)")]
    Connect { url: String, error: async_nats::ConnectError },
    #[error("NATS: {what}: {error}")]
    Request { what: String, error: String },
}

impl BusError {
    pub(crate) fn request(what: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Request { what: what.into(), error: error.to_string() }
    }
}

impl Address {
    fn apply(&self, options: ConnectOptions) -> ConnectOptions {
        let options = options
            .request_timeout(Some(PATIENCE))
            .require_tls(self.url.starts_with("tls://"))
            // What waits to be published is held, counted and bounded by us.
            .client_capacity(16)
            .reconnect_delay_callback(|attempt| Duration::from_millis(100 << attempt.min(6)));
        match &self.ca {
            Some(ca) => options.add_root_certificates(ca.clone()),
            None => options,
        }
    }
}

/// Signs the server's challenge: the token alone, which travels, is worth nothing.
fn answer(key: &KeyPair, token: String, nonce: &[u8]) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
    auth.jwt = Some(token);
    Ok(auth)
}
