//! E8, E50, A1. HTTP/2 with prior knowledge, as a careful encoder would never write it: one octet in each CONTINUATION, padding, priorities,
//! every representation, tables that are emptied, trailers, many streams at once, a reset between, gRPC; by the front door, where Envoy
//! turns it into what the waypoint speaks, and straight to the backend, which carries HTTP/1.1 on the same port.
//!
//! Each stream is a request: Verified, and Bypassed(DirectConnection).

use anyhow::{Context, Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::h2_raw::{Frame, H2Raw, Headers, How, Step};
use crate::tools::run;

pub const ATTACK: Attack = Attack {
    name: "http2",
    source: "E8 E50 A1",
    about: "HTTP/2 as no careful encoder writes it, by the front door and straight to the backend",
    setting: Setting::Own,
    play,
};

const STREAMS: u32 = 30;

/// Steps, and the streams that are answered.
pub(super) type Row = (&'static str, fn(&str) -> (Vec<Step>, Vec<u32>));

pub(super) const ROWS: &[Row] = &[
    ("plain", |path| (vec![Step::Headers(get(1, path))], vec![1])),
    ("continuations", |path| (vec![Step::Headers(get(1, path).split(1))], vec![1])),
    ("padding", |path| {
        let padded = Headers { padding: Some(9), priority: true, ..get(1, path) };
        (vec![Step::Headers(padded)], vec![1])
    }),
    ("streams", |path| {
        let streams: Vec<u32> = (0..STREAMS).map(|n| 2 * n + 1).collect();
        (streams.iter().map(|stream| Step::Headers(get(*stream, path))).collect(), streams)
    }),
    ("representations", |path| {
        let hows = [How::Shortest, How::Literal, How::NeverIndexed, How::Indexed];
        let steps = (0..).zip(hows).map(|(n, how)| Step::Headers(get(2 * n + 1, path).how(how)));
        (steps.collect(), vec![1, 3, 5, 7])
    }),
    ("tables", |path| {
        let resized = Headers { table_sizes: vec![0, 4096], ..get(3, path) };
        (vec![Step::Headers(get(1, path)), Step::Headers(resized), Step::Headers(get(5, path))], vec![1, 3, 5])
    }),
    ("trailers", |path| {
        let post = Headers::request(1, "POST", path).open();
        let data = Step::Data { stream: 1, data: vec![b'x'; 100], end: false, padding: Some(3) };
        let trailers = Headers { stream: 1, end_stream: true, ..Headers::default() }.fields(&[("x-trailer", "1")]);
        (vec![Step::Headers(post), data, Step::Headers(trailers)], vec![1])
    }),
    ("grpc", |path| {
        let message = Step::Data { stream: 1, data: b"\0\0\0\0\x03abc".to_vec(), end: true, padding: None };
        (vec![Step::Headers(Headers::grpc(1, path)), message], vec![1])
    }),
    ("crumbs", |path| (vec![Step::Headers(get(1, path).fields(&[("cookie", "a=1"), ("cookie", "b=2")]))], vec![1])),
];

fn get(stream: u32, path: &str) -> Headers {
    Headers::request(stream, "GET", path)
}

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let client = stage.lab.client("client-1")?;
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    for (name, row) in ROWS {
        let count = row("").1.len() as u64;
        let through = stage.legitimate(name, [("Verified", count)]);
        let direct = stage.bypass(name, [("Bypassed(DirectConnection)", count)]);
        for (to, path) in [(front, through), (backend, direct)] {
            let (steps, streams) = row(&path);
            let script = H2Raw::new(to, steps.into_iter().chain([Step::Answered(streams.clone())]));
            let report = run(&client, &script).with_context(|| format!("{name} to {to}"))?;
            let answered = streams.iter().all(|stream| report.streams[stream].status == 200);
            ensure!(answered, "{name} to {to}: {report:?}");
        }
    }
    // Whether Envoy has passed it on before it is reset is a matter of microseconds.
    let reset = stage.legitimate("reset", [("Verified", Count::AtLeast(1))]);
    let steps = [
        Step::Headers(get(1, &reset).open()),
        Step::Frame(Frame::reset(1, 8)),
        Step::Headers(get(3, &reset)),
        Step::Answered(vec![3]),
    ];
    run(&client, &H2Raw::new(front, steps))?;
    stage.settle()?;
    stage.exits(&[1])
}
