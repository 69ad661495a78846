//! Connections to protected pods that cannot be told apart into requests: only who dialled them can be said.

use std::net::SocketAddr;
use std::sync::Arc;

use super::state::JudgedUnder;
use super::trail::Walk;
use super::{Explain, Judge, Judged, explain};
use crate::model::{BootNs, ConnKey, MessageKey, Reason};

/// A connection to a protected pod that cannot be told apart into requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable {
    pub at: BootNs,
    pub stream: u64,
    pub conn: Option<ConnKey>,
    pub pod: String,
    pub node: String,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub reason: Reason,
    pub detail: String,
}

impl Judge {
    pub(super) fn judge_unreadable(&mut self, connection: &Unreadable, out: &mut Vec<Judged>) {
        let Unreadable { conn, local, peer, reason, ref node, .. } = *connection;
        for (index, policy) in self.policies.iter_mut().enumerate() {
            let compiled = Arc::clone(&policy.compiled);
            if policy.gone || !compiled.targets.contains(&connection.pod) {
                continue;
            }
            let (state, watch, pods) = (&self.state, &self.watch, &self.pods);
            let walk = Walk { state, watch, pods, policy: &compiled, hop_pods: &policy.hop_pods };
            // A connection that no permitted hop opened is a bypass whatever its bytes are.
            let found = walk.unreadable(conn, peer, local, node, reason);
            let judged = JudgedUnder {
                policy: index,
                verdict: found.verdict.clone(),
                class: found.class.clone(),
                is_final: true,
                overdrawn: None,
            };
            policy.tally.add(&judged, false);
            let explain = || explain::explain_connection(&self.state, conn, local, peer, &found, &connection.detail);
            let explanation = (self.limits.explain != Explain::Nothing).then(|| Box::new(explain()));
            out.push(Judged {
                policy: Arc::clone(&policy.name),
                key: MessageKey { conn: conn.unwrap_or(unseen(connection.stream)), offset: 0, stream: 0 },
                verdict: found.verdict,
                class: found.class,
                is_final: true,
                withdrawn: None,
                is_first: true,
                arrived: connection.at,
                explanation,
            });
        }
    }

    /// Remembers the newest ones, between half the bound and all of it.
    pub(super) fn tell(&mut self, connection: Unreadable) {
        let [newer, older] = &mut self.told;
        newer.insert(connection);
        if newer.len() >= self.limits.messages / 2 {
            *older = std::mem::take(newer);
        }
    }
}

/// Stands for a connection whose opening was not seen: the cookie of its socket.
fn unseen(cookie: u64) -> ConnKey {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
    ConnKey { client_isn: (cookie >> 32) as u32, server_isn: cookie as u32 }
}
