//! Cost of following requests through the whole path: records to evidence, parsed and linked.

mod path;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use path::Path;

/// Messages of one request: read and written by both gateways' and the waypoint's sockets, read by the target's.
const MESSAGES: u64 = 7;
/// Drains of an iteration.
const DRAINS: u32 = 20;

fn whole_path(c: &mut Criterion) {
    let path = Path::new(DRAINS);
    let mut group = c.benchmark_group("trace");
    group.throughput(Throughput::Elements(path.requests() * MESSAGES));
    group.bench_function("whole path", |b| {
        b.iter_batched(
            Path::tracer,
            |mut tracer| {
                path.play(&mut tracer, |evidence| {
                    black_box(evidence);
                });
                let counters = tracer.counters();
                assert_eq!((counters.poisoned, counters.lost_records), (0, 0), "{counters:?}");
                assert_eq!(counters.arrivals + counters.entries + counters.departures, path.requests() * MESSAGES);
                tracer
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, whole_path);
criterion_main!(benches);
