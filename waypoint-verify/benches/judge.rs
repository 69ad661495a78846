//! Cost of judging requests that came the whole path: evidence to verdicts, without and with explanations.

mod path;

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use path::{Path, world};
use waypoint_verify::evidence::Evidence;
use waypoint_verify::judge::{Explain, Judge, Limits};

/// Of one request: three messages found at the other end of their connection, and three departures with their entry.
const JOINS: u64 = 6;
/// Drains of an iteration.
const DRAINS: u32 = 20;

fn whole_path(c: &mut Criterion) {
    let path = Path::new(DRAINS);
    let requests = path.requests();
    let mut evidence: Vec<Evidence> = Vec::new();
    path.play(&mut Path::tracer(), |drained| evidence.append(drained));
    let mut group = c.benchmark_group("judge");
    group.throughput(Throughput::Elements(requests * JOINS));
    for (name, explain) in [("whole path", Explain::Nothing), ("whole path, explained", Explain::Everything)] {
        group.bench_function(name, |b| {
            let fresh = || {
                let watch = world::watch_list(world::policy(), world::gateway_guards(), world::waypoint_guards());
                (Judge::new(Arc::new(watch), Limits { explain, ..Limits::default() }), evidence.clone(), Vec::new())
            };
            b.iter_batched(
                fresh,
                |(mut judge, evidence, mut judged)| {
                    for evidence in evidence {
                        if matches!(evidence, Evidence::Tick { .. }) {
                            // Printed by now.
                            judged.clear();
                        }
                        judge.apply(evidence, &mut judged);
                    }
                    let verified = judge.tallies().map(|(_, tally)| tally.verified).sum::<u64>();
                    assert_eq!(verified, requests);
                    (judge, judged)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, whole_path);
criterion_main!(benches);
