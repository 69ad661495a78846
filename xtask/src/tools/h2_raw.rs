//! `xtask tool h2-raw`: an HTTP/2 client that sends the frames of its script, right or wrong. It answers SETTINGS and PING, and
//! opens windows for what it reads; everything else is the script's.

mod answer;
mod frames;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::{Script, Tool};
use answer::Peer;
pub use answer::{Answer, Report};
pub use frames::{Encoder, Field, Frame, Headers, How, PREFACE, kind};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct H2Raw {
    pub to: SocketAddr,
    /// Sent before everything else.
    pub start: Start,
    pub steps: Vec<Step>,
    /// How long a step waits for the peer, in milliseconds.
    pub patience: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// Preface and an empty SETTINGS.
    PriorKnowledge,
    /// This HTTP/1.1 head asks for h2c; after the 101 preface and SETTINGS follow, and the answer is on stream 1.
    Upgrade(String),
    /// The script says it all.
    Bare,
}

/// What is sent is put together until a step waits, or `Flush`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    Headers(Headers),
    Data {
        stream: u32,
        data: Vec<u8>,
        end: bool,
        padding: Option<u8>,
    },
    Frame(Frame),
    /// As they are.
    Octets(Vec<u8>),
    /// Everything so far as one write of its own.
    Flush,
    /// Until the peer has ended or reset these streams.
    Answered(Vec<u32>),
    /// Until the peer has closed the connection.
    Ended,
    /// Takes what comes for so many milliseconds: for what must not be answered.
    Listen(u64),
    /// Goes on when the owner says so.
    Wait(String),
}

impl H2Raw {
    pub fn new(to: SocketAddr, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { to, start: Start::PriorKnowledge, steps: steps.into_iter().collect(), patience: 10_000 }
    }

    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The head of an upgrade to h2c (RFC 7540, 3.2).
    pub fn upgrade(target: &str) -> Start {
        Start::Upgrade(format!(
            "GET {target} HTTP/1.1\r\nHost: hello.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ))
    }
}

impl Script for H2Raw {
    const TOOL: Tool = Tool::H2Raw;
    type Report = Report;

    fn play(self, owner: &mut Owner) -> Result<Report> {
        let mut peer = Peer::connect(self.to, Duration::from_millis(self.patience))?;
        match &self.start {
            Start::PriorKnowledge => peer.put(&preface()),
            Start::Upgrade(head) => {
                peer.put(head.as_bytes());
                peer.switched()?;
                peer.put(&preface());
            }
            Start::Bare => {}
        }
        let mut encoder = Encoder::default();
        for (number, step) in self.steps.iter().enumerate() {
            let outcome = match step {
                Step::Headers(headers) => {
                    for frame in headers.frames(&mut encoder)? {
                        peer.put(&frame.octets());
                    }
                    Ok(())
                }
                Step::Data { stream, data, end, padding } => {
                    peer.put(&Frame::data(*stream, data, *end, *padding).octets());
                    Ok(())
                }
                Step::Frame(frame) => {
                    peer.put(&frame.octets());
                    Ok(())
                }
                Step::Octets(octets) => {
                    peer.put(octets);
                    Ok(())
                }
                Step::Flush => peer.flush(),
                Step::Answered(streams) => peer.until("an answer", |peer| peer.have_ended(streams)),
                Step::Ended => peer.until("the end", Peer::is_over),
                Step::Listen(time) => peer.listen(Duration::from_millis(*time)),
                Step::Wait(label) => peer.flush().and_then(|()| owner.wait(label)),
            };
            outcome.with_context(|| format!("step {number}, {step:?}; {:?}", peer.report()))?;
        }
        peer.flush()?;
        Ok(peer.report())
    }
}

fn preface() -> Vec<u8> {
    [PREFACE, &Frame::new(kind::SETTINGS, 0, 0, []).octets()].concat()
}
