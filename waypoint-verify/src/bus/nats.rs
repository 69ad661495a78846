//! The bus itself: NATS with JetStream. Agents publish and wait for the acknowledgement; the verifier owns the streams.

mod agent;
mod verifier;

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Auth, AuthError, Client, ConnectOptions, Message};
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
    /// Connects, and stays connected. `name`: as the server's own lists show it.
    async fn connect(&self, options: ConnectOptions, name: String) -> Result<Client, BusError> {
        let options = options
            .name(name)
            .request_timeout(Some(PATIENCE))
            .require_tls(self.url.starts_with("tls://"))
            // What waits to be published is held, counted and bounded by us.
            .client_capacity(16)
            .reconnect_delay_callback(|attempt| Duration::from_millis(100 << attempt.min(6)))
            .event_callback(|event| async move { tracing::info!("bus: {event}") });
        let options = match &self.ca {
            Some(ca) => options.add_root_certificates(ca.clone()),
            None => options,
        };
        let servers: Vec<_> = self.url.split(',').map(str::to_owned).collect();
        options.connect(servers).await.map_err(|error| BusError::Connect { url: self.url.clone(), error })
    }
}

/// The newest message of a subject, by a direct request to its stream. `None`: there is none.
async fn newest(client: &Client, request: String, what: &str) -> Result<Option<Message>, BusError> {
    let answer = client.request(request, Vec::new().into()).await.map_err(|error| BusError::request(what, error))?;
    match answer.status {
        None => Ok(Some(answer)),
        Some(status) if status.as_u16() == 404 => Ok(None),
        Some(status) => Err(BusError::request(what, status)),
    }
}

/// Signs the server's challenge: the token alone, which travels, is worth nothing.
fn answer(key: &KeyPair, token: String, nonce: &[u8]) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
    auth.jwt = Some(token);
    Ok(auth)
}
