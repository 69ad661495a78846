//! Cost of following one request through one proxy: both messages reduced to facts, linked, answered and paid for.
//!
//! One iteration is 1000 requests, that is 2000 messages, all of them in flight at once.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use waypoint_verify::link::{DepartureIn, EntryIn, Facts, Hasher, Limits, Linker};
use waypoint_verify::model::{Appends, ConnKey, ForwardedFor, Guards, Head, HeadBuilder, MessageKey, Version};

const REQUESTS: u32 = 1000;
const FLOWS: u32 = 8;

fn gateway() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Appends(Appends::Envoy),
        method: Some(Default::default()),
        path: Some(Default::default()),
        authority: Some(Default::default()),
        end_to_end_headers: true,
        body: true,
        trace: true,
        ..Guards::default()
    }
}

fn key(side: u32, number: u32) -> MessageKey {
    let conn = ConnKey { client_isn: side, server_isn: number % FLOWS };
    MessageKey { conn, offset: u64::from(number) * 200, stream: 0 }
}

fn peer(number: u32) -> String {
    format!("10.244.1.{}", number % FLOWS)
}

fn head(path: &str, trace: Option<u32>, departed: Option<(&str, u32)>) -> Head {
    let Ok(mut head) = HeadBuilder::new(Version::Http11, b"GET", path.as_bytes(), 512) else { unreachable!() };
    let mut put = |name: &str, value: &str| head.field(name.as_bytes(), value.as_bytes()).expect("small");
    put("host", "hello.example.com");
    put("user-agent", "curl/8.5.0");
    put("accept", "*/*");
    put("x-order-id", "81726354");
    if let Some(trace) = trace {
        put("traceparent", &format!("00-0af7651916cd43dd8448eb21{trace:08x}-b7ad6b7169203331-01"));
    }
    if let Some((peer, number)) = departed {
        put("x-forwarded-for", peer);
        put("x-forwarded-proto", "http");
        put("x-envoy-internal", "true");
        put("x-request-id", &format!("5f9c1d1e-7d59-4e61-a4b0-{number:012x}"));
    }
    head.authority(b"hello.example.com").expect("small");
    head.build()
}

/// What enters and what departs, in order.
fn requests(distinct: bool) -> (Vec<Head>, Vec<Head>) {
    let pair = |number: u32| {
        // 16 requests are equal to one another at any time; or none is.
        let path = if distinct { format!("/orders/{number}") } else { format!("/orders/{}", number / 16) };
        let trace = distinct.then_some(number + 1);
        (head(&path, trace, None), head(&path, trace, Some((&peer(number), number))))
    };
    (0..REQUESTS).map(pair).unzip()
}

fn follow(
    linker: &mut Linker,
    hasher: &Hasher,
    peers: &[IpAddr],
    (entries, departures): &(Vec<Head>, Vec<Head>),
    round: u64,
) {
    let base = round * 10 * u64::from(REQUESTS);
    let mut events = Vec::new();
    let own = |side: u32, number: u32| MessageKey { offset: base + u64::from(number), ..key(side, number) };
    for (number, head) in (0..).zip(entries) {
        let (key, order) = (own(1, number), base + u64::from(number));
        let peer = peers[(number % FLOWS) as usize];
        linker.enter(EntryIn { key, facts: Facts::of(head, hasher), peer, complete_at: order });
        linker.acknowledged(key);
    }
    for (number, head) in (0..).zip(departures) {
        let order = base + u64::from(REQUESTS + number);
        let departure = DepartureIn {
            key: own(2, number),
            facts: Facts::of(head, hasher),
            head,
            started_at: order,
            started_ns: base * 100_000,
            foreign_process: false,
        };
        black_box(linker.depart(&departure));
        black_box(linker.departure_ended(departure.key, 0));
    }
    for number in 0..REQUESTS {
        linker.entry_ended(own(1, number), 0);
        linker.answered(own(1, number), base * 100_000 + 1);
        if number % 100 == 99 {
            linker.advance(base + u64::from(3 * REQUESTS), base * 100_000 + 1, &mut events);
        }
    }
    linker.advance(base + u64::from(4 * REQUESTS), base * 100_000 + 50_000_000, &mut events);
    assert_eq!((events.len(), linker.live()), (REQUESTS as usize, 0));
}

fn link(c: &mut Criterion) {
    let hasher = Hasher::new((1, 2));
    let peers: Vec<IpAddr> = (0..FLOWS).map(|n| peer(n).parse().expect("address")).collect();
    let mut group = c.benchmark_group("link");
    group.throughput(Throughput::Elements(2 * u64::from(REQUESTS)));
    for (name, distinct) in
        [("1000 distinct requests in flight", true), ("1000 in flight, groups of 16 identical", false)]
    {
        let requests = requests(distinct);
        let mut round = 0;
        let mut linker = Linker::new(&gateway(), hasher, Limits::default());
        group.bench_function(name, |b| {
            b.iter(|| {
                round += 1;
                follow(&mut linker, &hasher, &peers, &requests, round);
            });
        });
    }
    let heads = requests(true);
    group.bench_function("facts alone", |b| {
        b.iter(|| heads.0.iter().chain(&heads.1).map(|head| Facts::of(head, &hasher).target).fold(0, |a, b| a ^ b));
    });
    group.finish();
}

criterion_group!(benches, link);
criterion_main!(benches);
