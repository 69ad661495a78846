//! What agents testify: the only input of the judge. The same stream gives the same verdicts.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::link::Link;
use crate::model::{BootNs, ConnKey, ContainerRef, MessageKey, Owner, Process, Reason, Side};

/// One end of a connection, as its node saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub owner: Owner,
    /// Who created the socket; only of sockets that dialled, and only where the creation was seen.
    pub process: Option<Process>,
    /// The socket's own addresses: after DNAT at the accepting end, before it at the dialling end.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub at: BootNs,
}

/// What a reader is told of a request: display only, never compared.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestLine {
    pub protocol: Protocol,
    pub method: String,
    pub path: String,
    pub authority: String,
    pub trace_id: Option<String>,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{} {}", self.method, self.authority, self.path, self.protocol)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Protocol {
    #[serde(rename = "HTTP/1.0")]
    Http10,
    #[default]
    #[serde(rename = "HTTP/1.1")]
    Http11,
    #[serde(rename = "HTTP/2")]
    Http2,
    /// Its path names service and method.
    #[serde(rename = "gRPC")]
    Grpc,
    /// The handshake.
    WebSocket,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Grpc => "gRPC",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// Evidence, in the order in which a node observed it. What it looks like on the bus is versioned: `bus::batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    Opened {
        conn: ConnKey,
        side: Side,
        end: Arc<End>,
    },
    /// This end is open: told again, to a verifier that may not have heard when it was opened.
    Open {
        conn: ConnKey,
        side: Side,
        end: Arc<End>,
    },
    Closed {
        conn: ConnKey,
        side: Side,
    },
    /// A proxy's accepted socket received a request head.
    Entered {
        key: MessageKey,
        instance: Arc<ContainerRef>,
        local: SocketAddr,
        peer: SocketAddr,
        digest: u64,
        at: BootNs,
    },
    /// A proxy's dialled socket wrote a request head.
    Departed {
        key: MessageKey,
        instance: Arc<ContainerRef>,
        digest: u64,
        link: Link,
        unknown_creator: Option<Reason>,
        at: BootNs,
    },
    /// A message with content was seen to end before this offset of its stream, by the socket on this side. The two ends
    /// must agree.
    Ended {
        key: MessageKey,
        side: Side,
        end: u64,
    },
    /// The link of a departure became narrower: its body and those of its candidates are complete.
    Narrowed {
        key: MessageKey,
        link: Link,
    },
    /// Departures that are paid for, together: attempts of one request.
    Settled {
        keys: SmallVec<[MessageKey; 1]>,
    },
    /// More departed from this instance than had entered it (`link::LinkEvent::Overdrawn`).
    Overdrawn {
        instance: Arc<ContainerRef>,
        class: u64,
        unpaid: Vec<MessageKey>,
        shared: Vec<Vec<MessageKey>>,
    },
    /// A protected pod's accepted socket received a request head.
    Arrived {
        key: MessageKey,
        at_pod: Arc<ContainerRef>,
        local: SocketAddr,
        peer: SocketAddr,
        request: Arc<RequestLine>,
        digest: u64,
        at: BootNs,
    },
    /// Its receiver has acknowledged the head of that request; `whole`: all of it, or nothing more of it will come.
    Received {
        key: MessageKey,
        whole: bool,
        at: BootNs,
    },
    /// That request is not followed to its end. `None`: its receiver never took its head, so it was no request.
    Abandoned {
        key: MessageKey,
        reason: Option<Reason>,
    },
    /// What came to a protected pod on this connection cannot be told apart into requests from here on.
    Unreadable {
        stream: u64,
        conn: Option<ConnKey>,
        at_pod: Arc<ContainerRef>,
        local: SocketAddr,
        peer: SocketAddr,
        reason: Reason,
        detail: String,
        at: BootNs,
    },
    /// Records were lost on this node; what they touched has been testified as unreadable or wild.
    /// `openings`: some of them may have said who dialled. `of`: all of them were of its sockets; without it they may have
    /// been of anybody's.
    Lost {
        of: Option<Owner>,
        records: u64,
        bytes: u64,
        openings: bool,
        at: BootNs,
    },
    /// Everything that this node observed before `at` has been testified.
    Tick {
        at: BootNs,
    },
}

/// Whom evidence is of, as far as it names somebody.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// Whoever has a socket, or had.
    Owner(&'a Owner),
    Proxy(&'a ContainerRef),
    Target(&'a ContainerRef),
}

impl Evidence {
    pub fn subject(&self) -> Option<Subject<'_>> {
        match self {
            Self::Opened { end, .. } | Self::Open { end, .. } => Some(Subject::Owner(&end.owner)),
            Self::Lost { of, .. } => of.as_ref().map(Subject::Owner),
            Self::Entered { instance, .. } | Self::Departed { instance, .. } | Self::Overdrawn { instance, .. } => {
                Some(Subject::Proxy(instance))
            }
            Self::Arrived { at_pod, .. } | Self::Unreadable { at_pod, .. } => Some(Subject::Target(at_pod)),
            Self::Closed { .. }
            | Self::Ended { .. }
            | Self::Narrowed { .. }
            | Self::Settled { .. }
            | Self::Received { .. }
            | Self::Abandoned { .. }
            | Self::Tick { .. } => None,
        }
    }
}
