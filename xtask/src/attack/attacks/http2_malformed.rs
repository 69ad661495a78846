//! E50. HTTP/2 that is against its rules: a header block that other frames interrupt or that never ends, CONTINUATION without one, PUSH from a
//! client, two paths, pseudo headers behind others, Connection, upper case, an index that is not there, a length that lies.
//!
//! Straight to the backend the sender is known: Bypassed(DirectConnection), however little can be read. By the front door Envoy refuses
//! each, and nothing arrives; beside them genuine requests of another pod are Verified.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::h2_raw::{Field, Frame, H2Raw, Headers, How, Step, kind};
use crate::tools::run;

pub const ATTACK: Attack = Attack {
    name: "http2-malformed",
    source: "E50",
    about: "HTTP/2 against its rules: interrupted blocks, pushes, false lengths, two paths",
    setting: Setting::Own,
    play,
};

const LISTEN: u64 = 150;

type Row = (&'static str, fn(&str) -> Vec<Step>);

const ROWS: &[Row] = &[
    ("two-paths", |path| vec![Step::Headers(with(path, ":path", "/other"))]),
    ("late-pseudo", |path| {
        let mut headers = get(path).fields(&[("x-a", "b")]);
        headers.fields.push(field(":scheme", "http"));
        vec![Step::Headers(headers)]
    }),
    ("no-path", |_| {
        let mut headers = get("/");
        headers.fields.retain(|field| field.name != ":path");
        vec![Step::Headers(headers)]
    }),
    ("connection", |path| vec![Step::Headers(with(path, "connection", "close"))]),
    ("transfer-encoding", |path| vec![Step::Headers(with(path, "transfer-encoding", "chunked"))]),
    ("upper-case", |path| vec![Step::Headers(with(path, "X-Upper", "1"))]),
    ("line-end-in-value", |path| vec![Step::Headers(with(path, "x-a", "b\r\nx-c: d"))]),
    ("request-in-path", |path| vec![Step::Headers(get(&format!("{path} HTTP/1.1\r\nHost: h\r\n\r\nGET {path}")))]),
    ("bomb", |path| {
        // Put into the table once, then named a thousand times by one octet each.
        let large = ("x-large", "a".repeat(3000));
        let many = (0..1000).fold(get(path), |headers, _| headers.fields(&[(large.0, &large.1)]));
        vec![Step::Headers(many)]
    }),
    ("interrupted", |path| {
        let first = Headers { unfinished: true, ..get(path) };
        vec![Step::Headers(first), Step::Headers(Headers { stream: 3, ..get(path) })]
    }),
    ("never-ends", |path| {
        vec![Step::Headers(Headers { unfinished: true, ..get(path) }), Step::Frame(Frame::reset(1, 8))]
    }),
    ("stray-continuation", |_| vec![Step::Frame(Frame::new(kind::CONTINUATION, 4, 1, [0x82]))]),
    ("push", |_| vec![Step::Frame(Frame::new(kind::PUSH_PROMISE, 4, 1, [0, 0, 0, 2, 0x82]))]),
    ("even-stream", |path| vec![Step::Headers(Headers { stream: 2, ..get(path) })]),
    ("missing-index", |path| vec![Step::Headers(Headers { prefix: vec![0xff, 0x80, 0x80, 0x01], ..get(path) })]),
    ("padding-too-long", |_| vec![Step::Frame(Frame::new(kind::HEADERS, 0xd, 1, [200, 0x82]))]),
    ("length-lies", |_| vec![Step::Frame(Frame { length: Some(1 << 20), ..Frame::new(kind::HEADERS, 5, 1, [0x82]) })]),
    ("content-length-lies", |path| {
        let post = Headers::request(1, "POST", path).open().fields(&[("content-length", "3")]);
        vec![Step::Headers(post), Step::Data { stream: 1, data: b"more than three".to_vec(), end: true, padding: None }]
    }),
];

fn get(path: &str) -> Headers {
    Headers::request(1, "GET", path)
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned(), how: How::Literal }
}

fn with(path: &str, name: &str, value: &str) -> Headers {
    let mut headers = get(path);
    headers.fields.push(field(name, value));
    headers
}

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let client = stage.lab.client("client-1")?;
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let mut beside = 0;
    for (name, row) in ROWS {
        let refused = stage.refused(&format!("{name}-front"));
        let direct = stage.bypass(name, [("Bypassed(DirectConnection)", Count::AtLeast(1))]);
        for (to, path) in [(front, refused), (backend, direct)] {
            let script = H2Raw::new(to, row(&path).into_iter().chain([Step::Listen(LISTEN)]));
            let report = run(&client, &script).with_context(|| format!("{name} to {to}"))?;
            // Ports are used again: only of connections that can be told as such.
            if let Some(local) = report.local.filter(|_| to == backend) {
                stage.sent_from(&path, local);
            }
        }
        beside += 1;
    }
    let path = stage.legitimate("beside", [("Verified", beside as u64)]);
    gets(&stage.lab.client("client-3")?, front, &path, beside)?;
    stage.settle()?;
    stage.exits(&[1])
}
