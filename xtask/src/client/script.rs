//! What a client is to do, and what came of it. Lines of JSON between the owner and the client.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Connections that are made and used at the same time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Script {
    pub connections: Vec<Connection>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    pub to: SocketAddr,
    /// Source address, where it matters.
    pub from: Option<IpAddr>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    /// Connect now rather than with the first request.
    Connect,
    /// Send, and read the whole answer.
    Request(Request),
    /// Send bytes as they are, in these pieces, and read that many answers (pipelining, odd framing).
    Raw { pieces: Vec<String>, answers: usize },
    /// Send octets as they are, and read nothing.
    Octets(Vec<u8>),
    /// Read whatever comes, until the peer closes, or has said something and is silent for so many ms: one outcome, with what came as
    /// its body. A peer that says nothing at all is given up after a few seconds.
    Drain { silence_ms: u64 },
    /// No more will be sent; answers may still come.
    Shut,
    /// All connections of the script meet here.
    Meet,
    /// Go on when the owner says so.
    Wait(String),
    /// Close; a later request connects anew.
    Close,
}

/// An HTTP/1.1 request, as it is put on the wire.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub host: String,
    /// After `Host`, in this order. Framing headers are added by the body.
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Body {
    #[default]
    None,
    /// With a content-length.
    Text(String),
    /// So many bytes with a content-length, made as they are sent.
    Zeros(u64),
    /// Each in a chunk of its own.
    Chunks(Vec<String>),
}

/// What came of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub connection: usize,
    /// Number of the answer on this connection of the script.
    pub request: usize,
    /// 0 if there was none.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body_bytes: u64,
    /// The beginning of the body, at most 4 KiB.
    pub body: String,
    /// Of the connection's socket here.
    pub local: Option<SocketAddr>,
    pub error: Option<String>,
}

impl Script {
    /// One connection with these requests, one after the other.
    pub fn keep_alive(to: SocketAddr, requests: impl IntoIterator<Item = Request>) -> Self {
        Self { connections: vec![Connection::new(to, requests)] }
    }
}

impl Connection {
    pub fn new(to: SocketAddr, requests: impl IntoIterator<Item = Request>) -> Self {
        Self { to, from: None, steps: requests.into_iter().map(Step::Request).collect() }
    }
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: "hello.example".to_owned(),
            ..Self::default()
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The bytes up to and including the empty line.
    pub(super) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Body::None => {}
            Body::Text(text) => head.push_str(&format!("Content-Length: {}\r\n", text.len())),
            Body::Zeros(bytes) => head.push_str(&format!("Content-Length: {bytes}\r\n")),
            Body::Chunks(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head + "\r\n"
    }
}

impl Outcome {
    /// The value of an answer's header, by any spelling of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Traffic that did not flow proves nothing.
pub fn answered(outcomes: Vec<Outcome>, count: usize) -> Result<Vec<Outcome>> {
    ensure!(outcomes.len() == count, "{} of {count} requests were made", outcomes.len());
    let failed = outcomes.iter().find(|outcome| outcome.status != 200);
    ensure!(failed.is_none(), "not answered with 200: {failed:?}");
    Ok(outcomes)
}
