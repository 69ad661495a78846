//! The bus with a real NATS server: what it is for, and what an agent that is not what it should be may do there.

mod attacks;
mod server;

use std::time::Duration;

use futures_util::StreamExt as _;
use server::Server;
use waypoint_verify::bus::Message as _;
use waypoint_verify::bus::batch::{Answer, Batch};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn batch(node: &str, sequence: u64) -> Vec<u8> {
    let answer = Some(Answer { tick: sequence, ..Answer::default() });
    Batch { node: node.into(), epoch: 1, sequence, evidence: Vec::new(), answer }.encode().unwrap()
}

/// The next batch of a stream.
async fn next(
    evidence: &mut (impl futures_util::Stream<Item = Result<(u64, Vec<u8>), waypoint_verify::bus::nats::BusError>> + Unpin),
) -> Batch {
    let (_, octets) = tokio::time::timeout(PATIENCE, evidence.next()).await.unwrap().unwrap().unwrap();
    Batch::decode(&octets).unwrap()
}

#[tokio::test]
async fn evidence_goes_one_way_ticks_and_watch_lists_the_other() {
    let Some(server) = Server::start("evidence_goes_one_way_ticks_and_watch_lists_the_other") else { return };
    let verifier = server.verifier().await;
    verifier.create_node("node-1", &Server::streams()).await.unwrap();
    let agent = server.agent("node-1").await.unwrap();

    let position = verifier.next_position("node-1").await.unwrap();
    let mut evidence = verifier.evidence_from("node-1", position).await.unwrap();
    for sequence in 0..3 {
        agent.publish(batch("node-1", sequence)).await.unwrap();
    }
    for sequence in 0..3 {
        assert_eq!(next(&mut evidence).await.sequence, sequence);
    }

    let mut parts = agent.parts().await.unwrap();
    let mut ticks = agent.ticks().await.unwrap();
    assert_eq!(agent.part().await.unwrap(), None, "nothing was written yet");
    for part in [b"one".to_vec(), b"two".to_vec()] {
        verifier.write_part("node-1", part.clone()).await.unwrap();
        let told = tokio::time::timeout(PATIENCE, parts.next()).await.unwrap().unwrap();
        assert_eq!(told.payload, part);
        assert_eq!(agent.part().await.unwrap(), Some(part));
    }
    verifier.tick(b"tick".to_vec()).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, ticks.next()).await.unwrap().unwrap();
    assert_eq!(&told.payload[..], b"tick");
}

#[tokio::test]
async fn what_was_stored_survives_the_server_and_both_ends_find_it_again() {
    let Some(mut server) = Server::start("what_was_stored_survives_the_server_and_both_ends_find_it_again") else {
        return;
    };
    let verifier = server.verifier().await;
    verifier.create_node("node-1", &Server::streams()).await.unwrap();
    let agent = server.agent("node-1").await.unwrap();
    let position = verifier.next_position("node-1").await.unwrap();
    let mut evidence = verifier.evidence_from("node-1", position).await.unwrap();
    agent.publish(batch("node-1", 0)).await.unwrap();
    assert_eq!(next(&mut evidence).await.sequence, 0);

    server.kill();
    let refused = agent.publish(batch("node-1", 1)).await.unwrap_err();
    assert!(refused.to_string().contains("publishing evidence"), "{refused}");
    server.resume();
    tokio::time::timeout(PATIENCE, async { while agent.publish(batch("node-1", 1)).await.is_err() {} }).await.unwrap();
    let mut again = verifier.evidence_from("node-1", 1).await.unwrap();
    assert_eq!(next(&mut again).await.sequence, 0);
    // What was refused may have been stored all the same: then it is there twice, which its number shows.
    assert_eq!(next(&mut again).await.sequence, 1);
}
