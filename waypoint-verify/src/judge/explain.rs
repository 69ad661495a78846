//! A verdict in words and hops: who sent it, through what, what linked the hops, and what would cure a doubt.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::state::{Arrival, JudgedUnder, State};
use super::trail::Found;
use crate::evidence::RequestLine;
use crate::model::{BootNs, ConnKey, MessageKey, Verdict, WatchList};

/// One place where the request was seen, from the target back to the client.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// `arrival`, or the proxy that it passed.
    pub place: String,
    pub owner: String,
    pub node: String,
    /// Local and remote address of the socket that received it.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub conn: String,
    pub offset: u64,
    pub at: BootNs,
    /// What tied this hop to the one before it.
    pub linked_by: String,
}

/// Who opened a connection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    pub owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// UID of the pod that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    pub address: SocketAddr,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.process.as_ref().map_or_else(String::new, |process| format!(", process {process}"));
        write!(f, "{}{process}, from {}", self.owner, self.address)
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub request: RequestLine,
    pub hops: Vec<Hop>,
    pub sender: Sender,
    /// Listeners through which a bypass came.
    pub listeners: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Of which verdicts explanations are made: they cost more than the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    Nothing,
    Everything,
    /// Everything that is not Verified; and of these so many that are final, of each policy in each tick, and all of requests that are
    /// looked for (`Judge::look_for`).
    Sparingly {
        verified: usize,
    },
}

impl Explain {
    /// `explained`: so many that are Verified were explained in this tick.
    pub(super) fn wants(self, judged: &JudgedUnder, explained: usize, is_looked_for: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Sparingly { verified } => {
                let is_one_of_few = judged.is_final && explained < verified;
                judged.verdict != Verdict::Verified || is_one_of_few || is_looked_for()
            }
        }
    }
}

/// Hops that are written down at most (a loop of gateways would not end).
const MAX_HOPS: usize = 16;

pub fn explain(state: &State, watch: &WatchList, arrival: &Arrival, key: MessageKey, found: &Found) -> Explanation {
    let mut hops = vec![Hop {
        place: "arrival".into(),
        owner: arrival.at_pod.to_string(),
        node: arrival.at_pod.node.clone(),
        local: arrival.local,
        remote: arrival.peer,
        conn: key.conn.to_string(),
        offset: key.offset,
        at: arrival.at,
        linked_by: "read by the target's socket".into(),
    }];
    let mut at = key;
    while hops.len() < MAX_HOPS {
        let Some(departure) = state.departures.get(&at) else { break };
        // Of several candidates, the one that decided is shown.
        let candidates = &departure.link().candidates;
        let next = found.culprit.filter(|culprit| candidates.contains(culprit)).or_else(|| candidates.first().copied());
        let Some(next) = next else { break };
        let Some(entry) = state.entries.get(&next) else { break };
        let place = watch.listeners.get(&entry.local).map_or_else(|| "proxy".to_owned(), ToString::to_string);
        let others = match candidates.len() {
            1 => String::new(),
            n => format!(" (one of {n} equal candidates)"),
        };
        let by = departure.link().used.names().join(", ");
        hops.push(Hop {
            place,
            owner: entry.instance.to_string(),
            node: entry.instance.node.clone(),
            local: entry.local,
            remote: entry.peer,
            conn: next.conn.to_string(),
            offset: next.offset,
            at: entry.at,
            linked_by: format!("instance, time, process, {by}{others}"),
        });
        at = next;
    }
    Explanation {
        request: (*arrival.request).clone(),
        hops,
        sender: sender(state, Some(found.culprit.unwrap_or(at).conn), arrival.peer),
        listeners: found.listeners.iter().map(ToString::to_string).collect(),
        cure: cure(&found.verdict),
        detail: String::new(),
    }
}

/// Of a connection whose bytes could not be told apart into requests.
pub fn explain_connection(
    state: &State,
    conn: Option<ConnKey>,
    local: SocketAddr,
    peer: SocketAddr,
    found: &Found,
    detail: &str,
) -> Explanation {
    let mut sender = sender(state, conn, peer);
    sender.owner = format!("{} (to {local})", sender.owner);
    Explanation {
        request: RequestLine::default(),
        hops: Vec::new(),
        sender,
        listeners: Vec::new(),
        cure: cure(&found.verdict),
        detail: detail.to_owned(),
    }
}

fn cure(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Unverified(reason) => Some(reason.cure()),
        Verdict::Verified | Verdict::Bypassed(_) => None,
    }
}

fn sender(state: &State, conn: Option<ConnKey>, peer: SocketAddr) -> Sender {
    let connection = conn.and_then(|conn| state.connections.get(conn));
    let seen_from = connection.and_then(|c| c.passive.as_ref()).map_or(peer, |end| end.remote);
    match connection.and_then(|c| c.active.as_ref()) {
        Some(end) => Sender {
            owner: end.owner.to_string(),
            process: end.process.as_ref().map(ToString::to_string),
            pod_uid: end.owner.container().map(|container| container.pod.uid.clone()),
            address: end.local,
        },
        None => Sender {
            owner: "an address without a visible socket".into(),
            process: None,
            pod_uid: None,
            address: seen_from,
        },
    }
}
