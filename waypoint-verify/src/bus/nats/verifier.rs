//! The verifier's end of the bus.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Message};
use async_nats::{Client, ConnectOptions, HeaderMap};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use nkeys::KeyPair;

use super::{Address, BusError, answer, newest};
use crate::bus::MAX_MESSAGE;
use crate::bus::keys::Signer;
use crate::bus::subject::Names;

/// What is kept of evidence.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Octets of each node's stream; what is beyond them, the oldest of that node gives way.
    pub bytes_per_node: u64,
    pub age: Duration,
    /// 1, or 3 where the server is a cluster of three.
    pub replicas: usize,
}

/// Messages of a stream, with their positions in it.
pub type Evidence = BoxStream<'static, Result<(u64, Vec<u8>), BusError>>;

#[derive(Clone, Debug)]
pub struct VerifierBus {
    client: Client,
    jetstream: jetstream::Context,
    names: Names,
}

impl VerifierBus {
    pub async fn connect(address: &Address, names: Names, signer: Arc<Signer>) -> Result<Self, BusError> {
        let key = Arc::new(KeyPair::new_user());
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let (key, signer) = (Arc::clone(&key), Arc::clone(&signer));
            async move {
                let token =
                    signer.verifier(&key.public_key(), SystemTime::now()).map_err(async_nats::AuthError::new)?;
                answer(&key, token, &nonce)
            }
        });
        let client = address.connect(options, "waypoint-verify verifier".to_owned()).await?;
        let jetstream = jetstream::new(client.clone());
        Ok(Self { client, jetstream, names })
    }

    /// The stream that keeps the newest part of the watch list of each node.
    pub async fn create_parts(&self, streams: &Streams) -> Result<(), BusError> {
        self.create_newest(self.names.parts_stream(), self.names.parts(), streams).await
    }

    /// The stream that keeps what a verifier knows, for the one after it.
    pub async fn create_state(&self, streams: &Streams) -> Result<(), BusError> {
        self.create_newest(self.names.state_stream(), self.names.state("*"), streams).await
    }

    /// One that keeps the newest message of each subject, and hands it out (`newest`).
    async fn create_newest(&self, name: String, subjects: String, streams: &Streams) -> Result<(), BusError> {
        let config = Config {
            subjects: vec![subjects],
            max_messages_per_subject: 1,
            allow_direct: true,
            ..locked(name, streams)
        };
        self.create(config).await
    }

    /// Replaces the state of a partition that was there as `before`, and returns the number of the new one. Refused if another verifier has
    /// written meanwhile.
    pub async fn write_state(&self, partition: &str, before: u64, state: Vec<u8>) -> Result<u64, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("writing the verifier's state", error);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", before.to_string());
        let published = self.jetstream.publish_with_headers(self.names.state(partition), headers, state.into()).await;
        let stored = published.map_err(|error| failed(&error))?.await.map_err(|error| failed(&error))?;
        Ok(stored.sequence)
    }

    /// With its number; 0 and nothing: no verifier has written one yet.
    pub async fn read_state(&self, partition: &str) -> Result<(u64, Option<Vec<u8>>), BusError> {
        let what = "reading the verifier's state";
        let Some(state) = newest(&self.client, self.names.state_request(partition), what).await? else {
            return Ok((0, None));
        };
        let sequence = state.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
        let sequence = sequence.and_then(|sequence| sequence.as_str().parse().ok());
        let sequence = sequence.ok_or_else(|| BusError::request(what, "an answer without its sequence number"))?;
        Ok((sequence, Some(state.payload.to_vec())))
    }

    /// A node's own stream: what another agent does cannot touch it.
    pub async fn create_node(&self, node: &str, streams: &Streams) -> Result<(), BusError> {
        let config = Config {
            subjects: vec![self.names.evidence_of(node)],
            max_bytes: i64::try_from(streams.bytes_per_node).unwrap_or(i64::MAX),
            max_age: streams.age,
            ..locked(self.names.stream(node), streams)
        };
        self.create(config).await
    }

    async fn create(&self, config: Config) -> Result<(), BusError> {
        let name = config.name.clone();
        self.jetstream
            .create_or_update_stream(config)
            .await
            .map(drop)
            .map_err(|error| BusError::request(format!("creating stream {name}"), error))
    }

    /// The position that what comes next in a node's stream will have.
    pub async fn next_position(&self, node: &str) -> Result<u64, BusError> {
        let name = self.names.stream(node);
        let stream = self.jetstream.get_stream(&name).await;
        let stream = stream.map_err(|error| BusError::request(format!("reading stream {name}"), error))?;
        Ok(stream.cached_info().state.last_sequence + 1)
    }

    /// Evidence of a node in the order of its stream, with positions in it: from this one on, or from the first one after it that is
    /// still there.
    pub async fn evidence_from(&self, node: &str, position: u64) -> Result<Evidence, BusError> {
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: position.max(1) };
        let name = self.names.stream(node);
        let failed = |error: String| BusError::request(format!("reading stream {name}"), error);
        let stream = self.jetstream.get_stream(&name).await.map_err(|error| failed(error.to_string()))?;
        let config = pull::OrderedConfig { deliver_policy, ..Default::default() };
        let consumer = stream.create_consumer(config).await.map_err(|error| failed(error.to_string()))?;
        let messages = consumer.messages().await.map_err(|error| failed(error.to_string()))?;
        let what = format!("reading stream {name}");
        let position = |message: &Message| message.info().map(|info| info.stream_sequence).unwrap_or_default();
        Ok(messages
            .map_ok(move |message| (position(&message), message.payload.to_vec()))
            .map_err(move |error| BusError::request(what.clone(), error))
            .boxed())
    }

    pub async fn tick(&self, tick: Vec<u8>) -> Result<(), BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("publishing a tick", error);
        self.client.publish(self.names.ticks(), tick.into()).await.map_err(|error| failed(&error))?;
        self.client.flush().await.map_err(|error| failed(&error))
    }

    pub async fn write_part(&self, node: &str, part: Vec<u8>) -> Result<(), BusError> {
        let failed =
            |error: &dyn std::fmt::Display| BusError::request(format!("writing the watch list of {node}"), error);
        let published =
            self.jetstream.publish(self.names.part(node), part.into()).await.map_err(|error| failed(&error))?;
        published.await.map(drop).map_err(|error| failed(&error))
    }
}

/// Nothing in it can be taken back: no roll-up, no deletion, no purge.
fn locked(name: String, streams: &Streams) -> Config {
    Config {
        name,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: streams.replicas,
        max_message_size: i32::try_from(MAX_MESSAGE).unwrap_or(i32::MAX),
        allow_rollup: false,
        deny_delete: true,
        deny_purge: true,
        // The shortest that the server takes: a message's id is the agent's to choose, and no reason to drop it.
        duplicate_window: Duration::from_millis(100),
        ..Config::default()
    }
}
