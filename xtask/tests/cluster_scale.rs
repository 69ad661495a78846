//! The simulation of many nodes' agents, small: what it sends is what real verifiers count.

use std::path::Path;
use std::time::Duration;

use xtask::bench::scale::{self, Shape, Stage};
use xtask::cluster::Controller;
use xtask::demo;

#[test]
fn verifiers_count_exactly_what_agents_of_several_nodes_send() {
    if !Controller::available("verifiers_count_exactly_what_agents_of_several_nodes_send") {
        return;
    }
    demo::build().unwrap();
    scale::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-scale");
    // Two policies of two partitions, each with a verifier of its own.
    let shape = Shape { policies: 2, partitions: 2, verifiers: 2 };
    let mut stage = Stage::up(&dir, 3, 30, shape, &[]).unwrap();
    for (rate, requests) in [(1, 2), (300, 602)] {
        let outcome = stage.step(rate, Duration::from_secs(2)).unwrap();
        assert!(outcome.is_exact(), "{outcome}");
        assert_eq!((outcome.counted.verified, outcome.counted.verdict), (requests, 1), "{outcome}");
    }
    stage.down().unwrap();
}
