//! An agent's end of the bus.

use std::sync::Arc;

use async_nats::{Client, ConnectOptions, Subscriber};
use nkeys::KeyPair;
use tokio::task::JoinHandle;

use super::{Address, BusError, PATIENCE, answer, newest};
use crate::bus::subject::Names;

/// Where an agent gets its token: given the public key of its user, a token signed by the account.
pub trait Credentials: Send + Sync + 'static {
    /// As a task: the client of the bus wants a future that may be shared, and those of HTTP may not.
    fn token(self: Arc<Self>, user: String) -> JoinHandle<anyhow::Result<String>>;
}

/// Connected as one node.
#[derive(Clone, Debug)]
pub struct AgentBus {
    client: Client,
    jetstream: async_nats::jetstream::Context,
    names: Names,
    node: String,
}

impl AgentBus {
    /// Connects, and stays connected: with a fresh token each time. The key of the user never leaves this process.
    pub async fn connect(
        address: &Address,
        names: Names,
        node: &str,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, BusError> {
        let key = Arc::new(KeyPair::new_user());
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let (key, credentials) = (Arc::clone(&key), Arc::clone(&credentials));
            async move {
                let token = credentials.token(key.public_key()).await.unwrap_or_else(|error| Err(error.into()));
                let token = token.map_err(|error| {
                    tracing::warn!("no token for the bus: {error:#}");
                    async_nats::AuthError::new(format!("{error:#}"))
                })?;
                answer(&key, token, &nonce)
            }
        });
        let options = options.custom_inbox_prefix(names.inbox(node));
        let client = address.connect(options, format!("waypoint-verify agent of {node}")).await?;
        let jetstream = async_nats::jetstream::new(client.clone());
        Ok(Self { client, jetstream, names, node: node.to_owned() })
    }

    /// Publishes a batch, and returns when it is stored.
    pub async fn publish(&self, batch: Vec<u8>) -> Result<(), BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("publishing evidence", error);
        let subject = self.names.evidence(&self.node, "all");
        let published = self.jetstream.publish(subject, batch.into()).await.map_err(|error| failed(&error))?;
        match tokio::time::timeout(PATIENCE, published).await {
            Ok(stored) => stored.map(drop).map_err(|error| failed(&error)),
            Err(_) => Err(failed(&"no acknowledgement in time")),
        }
    }

    pub async fn ticks(&self) -> Result<Subscriber, BusError> {
        self.subscribe(self.names.ticks()).await
    }

    /// Every new part of the watch list for this node; [`Self::part`] is the newest one.
    pub async fn parts(&self) -> Result<Subscriber, BusError> {
        self.subscribe(self.names.part(&self.node)).await
    }

    /// Sent before this returns: what is asked of the server afterwards it answers after it has subscribed.
    async fn subscribe(&self, subject: String) -> Result<Subscriber, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request(format!("subscribing to {subject}"), error);
        let subscriber = self.client.subscribe(subject.clone()).await.map_err(|error| failed(&error))?;
        self.client.flush().await.map_err(|error| failed(&error))?;
        Ok(subscriber)
    }

    /// `None`: the verifier has not written one yet.
    pub async fn part(&self) -> Result<Option<Vec<u8>>, BusError> {
        let part = newest(&self.client, self.names.part_request(&self.node), "reading the watch list").await?;
        Ok(part.map(|part| part.payload.to_vec()))
    }
}
