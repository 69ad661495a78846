//! Cost of following requests through the whole path: records to evidence, parsed and linked.

mod path;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use path::Path;

/// Messages of one request: read and written by both gateways' and the waypoint's sockets, read by the target's.
const MESSAGES: u64 = 7;
/// Drains of an iteration.
const DRAINS: u64 = 20;

fn whole_path(c: &mut Criterion) {
    let mut out = Vec::new();
    let mut path = Path::new(&mut out);
    let requests = path.drain(&mut out);
    let mut group = c.benchmark_group("trace");
    group.throughput(Throughput::Elements(DRAINS * requests * MESSAGES));
    group.bench_function("whole path", |b| {
        b.iter(|| {
            for _ in 0..DRAINS {
                out.clear();
                path.drain(&mut out);
                black_box(&out);
            }
        });
    });
    group.finish();
    let counters = path.tracer.counters();
    assert_eq!((counters.poisoned, counters.lost_records), (0, 0), "{counters:?}");
    assert_eq!(counters.arrivals * 6, counters.entries + counters.departures, "{counters:?}");
}

criterion_group!(benches, whole_path);
criterion_main!(benches);
