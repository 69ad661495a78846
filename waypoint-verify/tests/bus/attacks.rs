//! An agent whose node was taken over has a good token of its own node. What it does with it, by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::{Auth, Client, ConnectOptions, Event, HeaderMap};
use futures_util::StreamExt as _;
use nkeys::KeyPair;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use waypoint_verify::bus::nats::VerifierBus;

use super::server::{Server, names};
use super::{PATIENCE, batch, next};

/// Long enough for an answer that would come at once if it came.
const NOTHING: Duration = Duration::from_millis(300);

struct Attacker {
    client: Client,
    events: UnboundedReceiver<String>,
}

impl Attacker {
    /// With the token of a node's agent, as it is.
    async fn of_node(server: &Server, node: &str, life: Duration) -> Self {
        let key = Arc::new(KeyPair::new_user());
        let token = server.signer.agent(&key.public_key(), &names(), node, SystemTime::now(), life).unwrap();
        Self::connect(server, key, token, &names().inbox(node)).await
    }

    async fn connect(server: &Server, key: Arc<KeyPair>, token: String, inbox: &str) -> Self {
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let (key, token) = (Arc::clone(&key), token.clone());
            async move {
                let mut auth = Auth::new();
                auth.signature = Some(key.sign(&nonce).map_err(async_nats::AuthError::new)?);
                auth.jwt = Some(token);
                Ok(auth)
            }
        });
        let (told, events) = unbounded_channel();
        let client = options
            .custom_inbox_prefix(inbox)
            .request_timeout(Some(NOTHING))
            .event_callback(move |event: Event| {
                let _ = told.send(event.to_string());
                async {}
            })
            .connect(server.url())
            .await
            .unwrap();
        Self { client, events }
    }

    /// Waits until the server has said that this is not allowed.
    async fn is_refused(&mut self, what: &str) {
        self.client.flush().await.unwrap();
        let refused = async {
            loop {
                let event = self.events.recv().await.expect("the client lives");
                if event.to_lowercase().contains("permissions violation") && event.contains(what) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, refused).await.unwrap_or_else(|_| panic!("{what} was not refused"));
    }

    async fn publish(&self, subject: &str, headers: HeaderMap, payload: Vec<u8>) {
        self.client.publish_with_headers(subject.to_owned(), headers, payload.into()).await.unwrap();
        self.client.flush().await.unwrap();
    }
}

async fn world(test: &str) -> Option<(Server, VerifierBus, Attacker)> {
    let server = Server::start(test)?;
    let verifier = server.verifier().await;
    for node in ["node-1", "node-2"] {
        verifier.create_node(node, &Server::streams()).await.unwrap();
    }
    let attacker = Attacker::of_node(&server, "node-1", Duration::from_secs(600)).await;
    Some((server, verifier, attacker))
}

#[tokio::test]
async fn nobody_testifies_in_another_nodes_stream() {
    let Some((server, verifier, mut attacker)) = world("nobody_testifies_in_another_nodes_stream").await else {
        return;
    };
    let position = verifier.next_position("node-2").await.unwrap();
    let mut evidence = verifier.evidence_from("node-2", position).await.unwrap();
    for subject in [names().evidence("node-2", "all"), "wv.v1.lab.node-1".into(), "wv.v1.other.node-1.all".into()] {
        attacker.publish(&subject, HeaderMap::new(), batch("node-2", 0)).await;
        attacker.is_refused(&subject).await;
    }
    // Nothing came before what the right agent says.
    server.agent("node-2").await.unwrap().publish(batch("node-2", 7)).await.unwrap();
    assert_eq!(next(&mut evidence).await.sequence, 7);
}

#[tokio::test]
async fn nobody_ticks_and_nobody_writes_watch_lists_but_the_verifier() {
    let Some((_server, verifier, mut attacker)) =
        world("nobody_ticks_and_nobody_writes_watch_lists_but_the_verifier").await
    else {
        return;
    };
    verifier.write_part("node-1", b"right".to_vec()).await.unwrap();
    for subject in [names().ticks(), names().part("node-1"), names().part("node-2")] {
        attacker.publish(&subject, HeaderMap::new(), b"wrong".to_vec()).await;
        attacker.is_refused(&subject).await;
    }
}

#[tokio::test]
async fn nobody_reads_evidence_other_watch_lists_or_other_inboxes() {
    let Some((_server, verifier, mut attacker)) =
        world("nobody_reads_evidence_other_watch_lists_or_other_inboxes").await
    else {
        return;
    };
    verifier.write_part("node-2", b"secret".to_vec()).await.unwrap();
    let request = names().part_request("node-2");
    attacker.client.request(request.clone(), Vec::new().into()).await.unwrap_err();
    attacker.is_refused(&request).await;
    for subject in [
        ">".to_owned(),
        names().evidence_of("node-1"),
        names().evidence_of("node-2"),
        names().part("node-2"),
        names().parts(),
        format!("{}.>", names().inbox("node-2")),
        "_INBOX.>".to_owned(),
    ] {
        let _subscription = attacker.client.subscribe(subject.clone()).await.unwrap();
        attacker.is_refused(&subject).await;
    }
}

#[tokio::test]
async fn nobody_manages_streams() {
    let Some((server, verifier, mut attacker)) = world("nobody_manages_streams").await else { return };
    for request in [
        "$JS.API.STREAM.PURGE.WV-lab-node-1",
        "$JS.API.STREAM.DELETE.WV-lab-node-1",
        "$JS.API.STREAM.MSG.DELETE.WV-lab-node-1",
        "$JS.API.STREAM.UPDATE.WV-lab-node-1",
        "$JS.API.STREAM.MSG.GET.WV-lab-node-2",
        "$JS.API.DIRECT.GET.WV-lab-node-2",
        "$JS.API.STREAM.CREATE.mine",
        "$JS.API.CONSUMER.CREATE.WV-lab-node-2",
        "$JS.API.STREAM.NAMES",
        "$JS.API.INFO",
    ] {
        attacker.client.request(request, "{}".into()).await.unwrap_err();
        attacker.is_refused(request).await;
    }
    // Nor the verifier itself, who may ask for anything: the streams are locked.
    server.agent("node-1").await.unwrap().publish(batch("node-1", 0)).await.unwrap();
    let key = Arc::new(KeyPair::new_user());
    let token = server.signer.verifier(&key.public_key(), SystemTime::now()).unwrap();
    let almighty = Attacker::connect(&server, key, token, "_INBOX").await.client;
    for (request, body) in [("PURGE", "{}"), ("MSG.DELETE", r#"{"seq": 1}"#)] {
        let answer = almighty.request(format!("$JS.API.STREAM.{request}.WV-lab-node-1"), body.into()).await.unwrap();
        let answer = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.contains("error") && answer.contains("not permitted"), "{request}: {answer}");
    }
    assert_eq!(next(&mut verifier.evidence_from("node-1", 1).await.unwrap()).await.sequence, 0);
}

#[tokio::test]
async fn a_roll_up_is_refused_and_erases_nothing() {
    let Some((server, verifier, attacker)) = world("a_roll_up_is_refused_and_erases_nothing").await else { return };
    let agent = server.agent("node-1").await.unwrap();
    agent.publish(batch("node-1", 0)).await.unwrap();
    for how in ["all", "sub"] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", how);
        attacker.publish(&names().evidence("node-1", "all"), headers, batch("node-1", 9)).await;
    }
    agent.publish(batch("node-1", 1)).await.unwrap();
    let mut evidence = verifier.evidence_from("node-1", 1).await.unwrap();
    assert_eq!(next(&mut evidence).await.sequence, 0);
    assert_eq!(next(&mut evidence).await.sequence, 1);
}

#[tokio::test]
async fn a_message_id_suppresses_nobody_elses_message() {
    let Some((server, verifier, attacker)) = world("a_message_id_suppresses_nobody_elses_message").await else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "the-same");
    attacker.publish(&names().evidence("node-1", "all"), headers.clone(), batch("node-1", 0)).await;
    // The right agent of node-2 would never use one; if it did, it would not matter.
    let position = verifier.next_position("node-2").await.unwrap();
    let mut evidence = verifier.evidence_from("node-2", position).await.unwrap();
    let right = Attacker::of_node(&server, "node-2", Duration::from_secs(600)).await;
    right.publish(&names().evidence("node-2", "all"), headers, batch("node-2", 0)).await;
    assert_eq!(next(&mut evidence).await.sequence, 0);
}

#[tokio::test]
async fn a_flood_drops_nobodys_evidence_but_its_own() {
    let Some((server, verifier, attacker)) = world("a_flood_drops_nobodys_evidence_but_its_own").await else { return };
    server.agent("node-2").await.unwrap().publish(batch("node-2", 3)).await.unwrap();
    let flood = vec![7; 256 << 10];
    for _ in 0..16 {
        attacker.publish(&names().evidence("node-1", "all"), HeaderMap::new(), flood.clone()).await;
    }
    let mut evidence = verifier.evidence_from("node-2", 1).await.unwrap();
    assert_eq!(next(&mut evidence).await.sequence, 3);
    // Its own oldest gave way: positions are missing, and with them the numbers of batches.
    let mut own = verifier.evidence_from("node-1", 1).await.unwrap();
    let (position, _) = tokio::time::timeout(PATIENCE, own.next()).await.unwrap().unwrap().unwrap();
    assert!(position > 1, "4 MiB fit into a stream of 1 MiB");
}

#[tokio::test]
async fn a_token_ends_and_is_worth_nothing_to_whoever_has_not_its_key() {
    let Some(server) = Server::start("a_token_ends_and_is_worth_nothing_to_whoever_has_not_its_key") else { return };
    let mut attacker = Attacker::of_node(&server, "node-1", Duration::from_secs(2)).await;
    let ended = async {
        loop {
            let event = attacker.events.recv().await.expect("the client lives");
            if event.contains("disconnected") || event.to_lowercase().contains("expired") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the server ends a connection whose token has ended");

    let (right, wrong) = (KeyPair::new_user(), Arc::new(KeyPair::new_user()));
    let life = Duration::from_secs(600);
    let token = server.signer.agent(&right.public_key(), &names(), "node-1", SystemTime::now(), life).unwrap();
    let stolen = ConnectOptions::with_auth_callback(move |nonce| {
        let (wrong, token) = (Arc::clone(&wrong), token.clone());
        async move {
            let mut auth = Auth::new();
            auth.signature = Some(wrong.sign(&nonce).map_err(async_nats::AuthError::new)?);
            auth.jwt = Some(token);
            Ok(auth)
        }
    });
    assert!(stolen.connect(server.url()).await.is_err(), "a stolen token");
}
