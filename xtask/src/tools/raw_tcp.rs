//! `xtask tool raw-tcp`: a TCP client over raw sockets that says exactly what its script says, right or wrong.
//! The kernel of the namespace is kept from answering for it, by a firewall rule for its source port.

mod connection;
mod link;
mod packet;
mod quiet;
mod segment;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::{Script, Tool};
use connection::Connection;
pub use segment::{Extension, Segment};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RawTcp {
    pub to: SocketAddr,
    /// Source, where it is not the place's own address.
    pub from: Option<IpAddr>,
    /// Source port; one outside of the kernel's range if none is named.
    pub port: Option<u16>,
    /// Initial sequence number; at random if none is named.
    pub isn: Option<u32>,
    pub open: Open,
    /// Offer timestamps (RFC 7323) in the SYN; if the peer takes them, each segment carries one.
    pub timestamps: bool,
    /// Further options of the SYN, as they are (a multiple of four octets).
    pub syn_options: Vec<u8>,
    pub steps: Vec<Step>,
    /// How long a step waits for the peer, in milliseconds.
    pub patience: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Open {
    /// SYN, SYN-ACK, ACK.
    Plain,
    /// The final ACK is not sent: the first segment carries it.
    WithoutFinalAck,
    /// The SYN carries these octets (offset 0 and on).
    WithData(Vec<u8>),
    /// The peer dials this place: its SYN is answered with a SYN. `Waiting("dial")` is said when it may.
    Simultaneous,
    /// No handshake at all.
    None,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    Send(Segment),
    /// Until the peer has acknowledged everything before this offset.
    Acked(i64),
    /// Until the peer's answer contains this text.
    Answer(String),
    /// Until the peer has closed or reset.
    Ended,
    /// Takes what comes for so many milliseconds: for what must not be answered.
    Listen(u64),
    /// Sends a FIN at this offset, and waits for the peer's.
    Close(i64),
    /// Goes on when the owner says so. The peer is not answered meanwhile.
    Wait(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    pub local: Option<SocketAddr>,
    pub isn: u32,
    /// 0 without a handshake.
    pub peer_isn: u32,
    pub open: bool,
    /// The peer has acknowledged everything before this offset.
    pub acked: i64,
    /// The peer's octets in order, as far as they are text.
    pub answer: String,
    pub resets: u32,
    pub fin: bool,
}

impl RawTcp {
    pub fn new(to: SocketAddr, steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            to,
            from: None,
            port: None,
            isn: None,
            open: Open::Plain,
            timestamps: false,
            syn_options: Vec::new(),
            steps: steps.into_iter().collect(),
            patience: 10_000,
        }
    }

    #[must_use]
    pub fn open(mut self, open: Open) -> Self {
        self.open = open;
        self
    }

    #[must_use]
    pub fn isn(mut self, isn: u32) -> Self {
        self.isn = Some(isn);
        self
    }

    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    #[must_use]
    pub fn timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }
}

impl Script for RawTcp {
    const TOOL: Tool = Tool::RawTcp;
    type Report = Report;

    fn play(self, owner: &mut Owner) -> Result<Report> {
        let from = match self.from {
            Some(from) => from,
            None => link::own_address(self.to)?,
        };
        let port = self.port.unwrap_or_else(|| 20_000 + (std::process::id() % 10_000) as u16);
        let _quiet = quiet::Quiet::new(port)?;
        let link = link::Link::new(SocketAddr::new(from, port), self.to)?;
        let mut connection = Connection::new(link, &self);
        if self.open == Open::Simultaneous {
            owner.wait("dial")?;
        }
        connection.open(&self.open).context("opening")?;
        for (number, step) in self.steps.iter().enumerate() {
            let outcome = match step {
                Step::Send(segment) => connection.send(segment),
                Step::Acked(offset) => connection.until("an acknowledgement", |c| c.acked() >= *offset),
                Step::Answer(text) => {
                    connection.until("an answer", |c| c.received().windows(text.len()).any(|w| w == text.as_bytes()))
                }
                Step::Ended => connection.until("the end", Connection::is_over),
                Step::Listen(time) => connection.listen(Duration::from_millis(*time)),
                Step::Close(offset) => connection.close(*offset),
                Step::Wait(label) => owner.wait(label),
            };
            outcome.with_context(|| format!("step {number}, {step:?}; {:?}", connection.report()))?;
        }
        Ok(connection.report())
    }
}
