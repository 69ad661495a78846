//! Evidence, policies and coverage in; verdicts out. Pure and deterministic: the same evidence gives the same verdicts.
//!
//! - [`trail`] walks an arrival back through the proxies that a policy demands.
//! - [`explain`] writes down what it found for people.
//! - [`tally`] counts per policy, and says what the counts force.

pub mod explain;
mod state;
pub mod tally;
mod trail;

use std::sync::Arc;

use crate::evidence::Evidence;
use crate::model::{BootNs, Class, CompiledPolicy, ConnKey, MessageKey, NamespacedName, Reason, Verdict, WatchList};
pub use explain::{Explanation, Hop, Sender};
use state::{Arrival, Departure, Entry, State, Status};
pub use tally::{PolicyVerdict, Tally};
use trail::Walk;

/// Bounds; what is forgotten because of them is Unverified(evicted) where it is missed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Messages (arrivals, departures and entries, each) that are remembered.
    pub messages: usize,
    /// Connections that are remembered.
    pub connections: usize,
    /// Whether explanations are made (they cost more than the verdict).
    pub explain: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 65_536, connections: 65_536, explain: true }
    }
}

/// A verdict of one arrival under one policy.
#[derive(Clone, Debug)]
pub struct Judged {
    pub policy: NamespacedName,
    pub key: MessageKey,
    pub verdict: Verdict,
    pub class: Class,
    /// Nothing that is still to come can change it, short of a withdrawal.
    pub is_final: bool,
    /// The verdict that this one withdraws.
    pub withdrawn: Option<Verdict>,
    pub arrived: BootNs,
    pub explanation: Option<Box<Explanation>>,
}

/// The judge of some policies. Every policy is judged alone.
#[derive(Debug)]
pub struct Judge {
    policies: Vec<Policy>,
    watch: Arc<WatchList>,
    state: State,
    limits: Limits,
}

#[derive(Debug)]
struct Policy {
    compiled: Arc<CompiledPolicy>,
    tally: Tally,
}

impl Judge {
    pub fn new(watch: Arc<WatchList>, limits: Limits) -> Self {
        let policies = watch
            .policies
            .iter()
            .map(|compiled| Policy { compiled: Arc::clone(compiled), tally: Tally::default() })
            .collect();
        Self { policies, watch, state: State::new(&limits), limits }
    }

    /// Nodes on which an agent is known to see everything.
    pub fn set_coverage(&mut self, complete: bool) {
        self.state.covered = complete;
    }

    pub fn tallies(&self) -> impl Iterator<Item = (&NamespacedName, &Tally)> {
        self.policies.iter().map(|policy| (&policy.compiled.name, &policy.tally))
    }

    /// Messages that were forgotten because a bound was hit.
    pub fn evicted(&self) -> u64 {
        self.state.evicted
    }

    /// Takes one piece of evidence and appends the verdicts that it gives or changes.
    pub fn apply(&mut self, evidence: Evidence, out: &mut Vec<Judged>) {
        match evidence {
            Evidence::Opened { conn, side, end } => self.state.opened(conn, side, end),
            Evidence::Closed { conn, side } => self.state.closed(conn, side),
            Evidence::Entered { key, instance, local, peer, digest, at } => {
                self.state.entered(key, Entry { instance, local, peer, digest, at });
            }
            Evidence::Departed { key, instance, digest, link, unknown_creator, at } => {
                let status = if link.counted { Status::Pending } else { Status::Settled };
                self.state.departed(key, Departure { instance, digest, link, unknown_creator, status, waiting: Vec::new(), at });
            }
            Evidence::Narrowed { key, link } => {
                if let Some(departure) = self.state.departures.get_mut(&key) {
                    departure.link = link;
                }
            }
            Evidence::Settled { keys } => self.settled(&keys, out),
            Evidence::Overdrawn { class, instance, unpaid, shared } => {
                self.overdrawn(&instance.id, class, unpaid, shared, out);
            }
            Evidence::Arrived { key, at_pod, local, peer, request, digest, at } => {
                let arrival = Arrival { at_pod, local, peer, request, digest, at, judged: Vec::new() };
                if let Some((key, forgotten)) = self.state.arrived(key, arrival) {
                    self.evict(key, &forgotten, out);
                }
            }
            Evidence::Received { key, .. } => self.judge(key, out),
            Evidence::Unreadable { at_pod, local, peer, reason, detail, conn, stream, at } => {
                self.unreadable(&at_pod.pod.uid, conn, stream, reason, (local, peer), &detail, at, out);
            }
            Evidence::Lost { records, .. } => {
                for policy in &mut self.policies {
                    policy.tally.lost += records;
                }
            }
            Evidence::Tick { .. } => {}
        }
    }

    /// Judges an arrival under every policy that protects its pod, or judges it again.
    fn judge(&mut self, key: MessageKey, out: &mut Vec<Judged>) {
        let Some(mut arrival) = self.state.arrivals.remove(&key) else { return };
        for (index, policy) in self.policies.iter_mut().enumerate() {
            let compiled = Arc::clone(&policy.compiled);
            if !compiled.targets.contains(&arrival.at_pod.pod.uid) {
                continue;
            }
            let walk = Walk { state: &self.state, watch: &self.watch, policy: &compiled };
            let found = walk.arrival(key, &arrival);
            let previous = arrival.judged.iter().position(|judged| judged.policy == index);
            if let Some(at) = previous {
                let judged = &arrival.judged[at];
                let same = judged.verdict == found.verdict && judged.is_final == found.pending.is_empty();
                if same && judged.overdrawn == found.overdrawn {
                    continue;
                }
            }
            let withdrawn = previous
                .map(|at| arrival.judged.remove(at))
                .inspect(|old| policy.tally.take_back(old))
                .filter(|old| old.verdict != found.verdict)
                .map(|old| old.verdict);
            let judged = state::JudgedUnder {
                policy: index,
                verdict: found.verdict.clone(),
                class: found.class.clone(),
                is_final: found.pending.is_empty(),
                overdrawn: found.overdrawn,
            };
            policy.tally.add(&judged, withdrawn.is_some());
            let explanation =
                self.limits.explain.then(|| Box::new(explain::explain(&self.state, &self.watch, &arrival, key, &found)));
            for departure in found.pending.iter().chain(&found.relied_on) {
                if let Some(departure) = self.state.departures.get_mut(departure)
                    && !departure.waiting.contains(&key)
                {
                    departure.waiting.push(key);
                }
            }
            out.push(Judged {
                policy: compiled.name.clone(),
                key,
                verdict: found.verdict,
                class: found.class,
                is_final: judged.is_final,
                withdrawn,
                arrived: arrival.at,
                explanation,
            });
            arrival.judged.push(judged);
        }
        self.state.arrivals.insert(key, arrival);
    }

    /// An arrival had to be forgotten before all evidence was there.
    fn evict(&mut self, key: MessageKey, arrival: &Arrival, out: &mut Vec<Judged>) {
        for (index, policy) in self.policies.iter_mut().enumerate() {
            if !policy.compiled.targets.contains(&arrival.at_pod.pod.uid) {
                continue;
            }
            let old = arrival.judged.iter().find(|judged| judged.policy == index);
            if old.is_some_and(|old| old.is_final) {
                continue;
            }
            if let Some(old) = old {
                policy.tally.take_back(old);
            }
            let judged = state::JudgedUnder {
                policy: index,
                verdict: Verdict::Unverified(Reason::Evicted),
                class: old.map_or(Class::Request, |old| old.class.clone()),
                is_final: true,
                overdrawn: None,
            };
            policy.tally.add(&judged, old.is_some());
            out.push(Judged {
                policy: policy.compiled.name.clone(),
                key,
                verdict: judged.verdict,
                class: judged.class,
                is_final: true,
                withdrawn: old.map(|old| old.verdict.clone()),
                arrived: arrival.at,
                explanation: None,
            });
        }
    }

    fn settled(&mut self, keys: &[MessageKey], out: &mut Vec<Judged>) {
        for key in keys {
            let Some(departure) = self.state.departures.get_mut(key) else { continue };
            if departure.status == Status::Pending {
                departure.status = Status::Settled;
                for arrival in departure.waiting.clone() {
                    self.judge(arrival, out);
                }
            }
        }
    }

    fn overdrawn(&mut self, instance: &str, class: u64, unpaid: Vec<MessageKey>, shared: Vec<Vec<MessageKey>>, out: &mut Vec<Judged>) {
        let class = self.state.overdrawn_class(instance, class);
        let mut again = Vec::new();
        for key in unpaid.iter().chain(shared.iter().flatten()) {
            if let Some(departure) = self.state.departures.get_mut(key) {
                departure.status = Status::Overdrawn(class);
                again.extend(departure.waiting.iter().copied());
            }
        }
        for policy in &mut self.policies {
            policy.tally.overdrawn_class(class, shared.len());
        }
        again.sort_unstable();
        again.dedup();
        for arrival in again {
            self.judge(arrival, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one piece of evidence")]
    fn unreadable(
        &mut self,
        pod: &str,
        conn: Option<ConnKey>,
        stream: u64,
        reason: Reason,
        (local, peer): (std::net::SocketAddr, std::net::SocketAddr),
        detail: &str,
        at: BootNs,
        out: &mut Vec<Judged>,
    ) {
        // A connection that no permitted hop opened is a bypass whatever its bytes are.
        for index in 0..self.policies.len() {
            let compiled = Arc::clone(&self.policies[index].compiled);
            if !compiled.targets.contains(pod) {
                continue;
            }
            let walk = Walk { state: &self.state, watch: &self.watch, policy: &compiled };
            let found = walk.unreadable(conn, peer, local, reason);
            let judged = state::JudgedUnder {
                policy: index,
                verdict: found.verdict.clone(),
                class: found.class.clone(),
                is_final: true,
                overdrawn: None,
            };
            self.policies[index].tally.add(&judged, false);
            let explanation = self
                .limits
                .explain
                .then(|| Box::new(explain::explain_connection(&self.state, conn, local, peer, &found, detail)));
            let conn = conn.unwrap_or(ConnKey { client_isn: (stream >> 32) as u32, server_isn: stream as u32 });
            out.push(Judged {
                policy: compiled.name.clone(),
                key: MessageKey { conn, offset: 0, stream: 0 },
                verdict: found.verdict,
                class: found.class,
                is_final: true,
                withdrawn: None,
                arrived: at,
                explanation,
            });
        }
    }
}

#[cfg(test)]
mod tests;
