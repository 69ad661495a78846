//! Evidence, policies and coverage in; verdicts out. Pure and deterministic: the same evidence gives the same verdicts.
//!
//! - [`trail`] walks an arrival back through the proxies that a policy demands.
//! - [`explain`] writes down what it found for people.
//! - [`tally`] counts per policy, and says what the counts force.

mod arrivals;
mod connections;
mod evict;
pub mod explain;
mod networks;
mod nodes;
mod remembered;
mod settled;
mod state;
pub mod tally;
mod trail;
mod unreadable;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::evidence::Evidence;
use crate::model::{BootNs, Class, CompiledPolicy, MessageKey, NamespacedName, Owner, ProxyKind, Verdict, WatchList};
pub use explain::{Explain, Explanation, Hop, Sender};
use networks::Networks;
pub use nodes::Testified;
use state::{Arrival, Departure, Entry, JudgedUnderAll, Progress, State};
pub use tally::{PolicyVerdict, Tally};
use unreadable::Unreadable;

/// Bounds; what is forgotten because of them is Unverified(evicted) where it is missed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Messages (arrivals, departures and entries, each) that are remembered.
    pub messages: usize,
    /// Connections that are remembered.
    pub connections: usize,
    pub explain: Explain,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 65_536, connections: 65_536, explain: Explain::Everything }
    }
}

/// A verdict of one arrival under one policy.
#[derive(Clone, Debug)]
pub struct Judged {
    pub policy: Arc<NamespacedName>,
    pub key: MessageKey,
    pub verdict: Verdict,
    pub class: Class,
    /// Nothing that is still to come can change it, short of a withdrawal.
    pub is_final: bool,
    /// The verdict that this one withdraws.
    pub withdrawn: Option<Verdict>,
    /// No verdict was given of it before.
    pub is_first: bool,
    pub arrived: BootNs,
    pub explanation: Option<Box<Explanation>>,
}

/// Of the lists that are filled between two ticks, what is kept for the next ones.
const KEPT: usize = 4096;

/// The judge of some policies. Every policy is judged alone.
///
/// Evidence only fills the state; verdicts are given at a tick, when all evidence of what happened before it is there.
/// So the order of evidence between two ticks does not matter, and absence is only claimed where it is certain.
#[derive(Debug)]
pub struct Judge {
    policies: Vec<Policy>,
    watch: Arc<WatchList>,
    /// Of the watch list.
    pods: Networks,
    /// Trace ids of requests whose verdicts are always explained.
    looked_for: BTreeSet<String>,
    state: State,
    limits: Limits,
    /// Arrivals to judge, or to judge again, at the next tick.
    due: Vec<MessageKey>,
    /// What came since the last tick of the arrivals' own progress.
    progress: Vec<(MessageKey, Progress)>,
    unreadable: BTreeSet<Unreadable>,
    /// Those that were judged, for when they are testified again: the newest, and those before.
    told: [BTreeSet<Unreadable>; 2],
    last_losses: (BootNs, Vec<Loss>),
}

/// What was lost, whose, and how many octets.
type Loss = (Option<Owner>, u64, u64);

#[derive(Debug)]
struct Policy {
    name: Arc<NamespacedName>,
    compiled: Arc<CompiledPolicy>,
    /// UIDs of pods in which a permitted hop runs.
    hop_pods: BTreeSet<String>,
    tally: Tally,
    /// Verified ones of this tick that were explained.
    explained: usize,
    /// It is in the watch list no more: nothing is judged under it.
    gone: bool,
}

impl Policy {
    fn new(compiled: &Arc<CompiledPolicy>, watch: &WatchList) -> Self {
        let hops = watch
            .proxies
            .iter()
            .filter(|(id, proxy)| proxy.kind == ProxyKind::Gateway || compiled.waypoint.contains(*id));
        let hop_pods = hops.filter_map(|(id, _)| Some(watch.containers.get(id)?.pod.uid.clone())).collect();
        let name = Arc::new(compiled.name.clone());
        Self { name, compiled: Arc::clone(compiled), hop_pods, tally: Tally::default(), explained: 0, gone: false }
    }
}

impl Judge {
    /// Of all policies of the watch list.
    pub fn new(watch: Arc<WatchList>, limits: Limits) -> Self {
        let policies = watch.policies.iter().map(|compiled| Policy::new(compiled, &watch)).collect();
        let state = State::new(&limits);
        Self {
            policies,
            pods: Networks::of_pods(&watch),
            looked_for: BTreeSet::new(),
            watch,
            state,
            limits,
            due: Vec::new(),
            progress: Vec::new(),
            unreadable: BTreeSet::new(),
            told: Default::default(),
            last_losses: Default::default(),
        }
    }

    /// Whether an agent sees everything on every node of the inventory. Returns what was so before.
    pub fn set_coverage(&mut self, complete: bool) -> bool {
        std::mem::replace(&mut self.state.covered, complete)
    }

    /// Not every node was seen before `at`: who opened a connection before it may have gone unseen.
    pub fn observed_since(&mut self, at: BootNs) {
        self.state.connections.observed_since(at);
    }

    /// A newer watch list. Counts go on, but for the policies in `anew`, whose spec is another one.
    pub fn set_watch(&mut self, watch: Arc<WatchList>, anew: &BTreeSet<NamespacedName>) {
        for policy in self.policies.iter_mut().filter(|policy| !policy.gone) {
            match watch.policies.iter().find(|compiled| compiled.name == *policy.name && !anew.contains(&compiled.name))
            {
                Some(compiled) => {
                    let tally = std::mem::take(&mut policy.tally);
                    *policy = Policy { tally, ..Policy::new(compiled, &watch) };
                }
                None => policy.gone = true,
            }
        }
        for compiled in &watch.policies {
            if self.policies.iter().any(|policy| !policy.gone && *policy.name == compiled.name) {
                continue;
            }
            let policy = Policy::new(compiled, &watch);
            // What was judged under a policy is remembered by its place.
            let free = (0..self.policies.len()).find(|at| self.policies[*at].gone && !self.state.is_judged_under(*at));
            match free {
                Some(at) => self.policies[at] = policy,
                None => self.policies.push(policy),
            }
        }
        self.pods = Networks::of_pods(&watch);
        self.watch = watch;
    }

    /// Requests with these trace ids, and no others, are explained whatever is said of them.
    pub fn look_for(&mut self, trace_ids: BTreeSet<String>) {
        self.looked_for = trace_ids;
    }

    pub fn tallies(&self) -> impl Iterator<Item = (&NamespacedName, &Tally)> {
        self.policies.iter().filter(|policy| !policy.gone).map(|policy| (&policy.compiled.name, &policy.tally))
    }

    /// Arrivals that are not judged for good.
    pub fn open_arrivals(&self) -> impl Iterator<Item = MessageKey> {
        self.state.open_arrivals()
    }

    /// Messages that were forgotten because a bound was hit.
    pub fn evicted(&self) -> u64 {
        self.state.evicted
    }

    /// Takes one piece of evidence. A tick appends the verdicts that have been given or changed since the last one.
    pub fn apply(&mut self, evidence: Evidence, out: &mut Vec<Judged>) {
        match evidence {
            Evidence::Opened { conn, side, end } => self.state.opened(conn, side, end),
            Evidence::Open { conn, side, end } => self.state.connections.open(conn, side, end),
            Evidence::Closed { conn, side } => self.state.connections.closed(conn, side),
            Evidence::Entered { key, instance, local, peer, digest, at } => {
                self.state.entered(key, Entry { instance, local, peer, digest, at, end: None, tick: 0 });
            }
            Evidence::Departed { key, instance, digest, link, unknown_creator, at } => {
                self.state.departed(key, Departure::new(instance, digest, link, unknown_creator, at));
            }
            Evidence::Ended { key, side, end } => self.state.ended(key, side, end),
            Evidence::Narrowed { key, link } => self.state.narrowed(key, link),
            Evidence::Settled { keys } => self.state.settled(&keys),
            Evidence::Overdrawn { class, instance, unpaid, shared } => {
                let paid: Vec<_> = shared.iter().filter_map(|attempts| attempts.iter().min().copied()).collect();
                let keys = unpaid.into_iter().chain(shared.into_iter().flatten());
                let class = self.state.overdrawn(&instance, class, keys);
                for policy in &mut self.policies {
                    policy.tally.overdrawn_class(class, paid.iter().copied());
                }
            }
            Evidence::Arrived { key, at_pod, local, peer, request, digest, at } => {
                let (progress, judged) = (Progress::default(), JudgedUnderAll::new());
                self.state.arrived(
                    key,
                    Arrival { at_pod, local, peer, request, digest, at, progress, end: None, pending: 0, judged },
                );
            }
            Evidence::Received { key, whole, .. } => {
                self.progress.push((key, Progress::received(whole)));
            }
            Evidence::Abandoned { key, reason } => {
                self.progress.push((key, Progress::abandoned(reason)));
            }
            Evidence::Unreadable { at_pod, local, peer, reason, detail, conn, stream, at } => {
                let (pod, node) = (at_pod.pod.uid.clone(), at_pod.node.clone());
                let unreadable = Unreadable { at, stream, conn, pod, node, local, peer, reason, detail };
                if !self.told.iter().any(|told| told.contains(&unreadable)) {
                    self.unreadable.insert(unreadable);
                }
            }
            Evidence::Lost { of, records, bytes, openings, at } => self.lost(of, records, bytes, openings, at),
            Evidence::Tick { at } => self.tick(at, out),
        }
    }

    /// What one owner lost touches the policies in which it is a hop or a target; what may be anybody's, all.
    fn lost(&mut self, of: Option<Owner>, records: u64, bytes: u64, openings: bool, at: BootNs) {
        if self.last_losses.0 != at {
            self.last_losses = (at, Vec::new());
        }
        let loss = (of, records, bytes);
        if self.last_losses.1.contains(&loss) {
            return;
        }
        let (anybodys, container) = match &loss.0 {
            Some(Owner::Container(container)) => (false, Some(container)),
            // A pod that the inventory does not know is no hop and no target.
            Some(Owner::Host { .. } | Owner::Unknown { path: Some(_), .. }) => (false, None),
            Some(Owner::Unknown { path: None, .. }) | None => (true, None),
        };
        let is_proxy = container.is_some_and(|container| self.watch.proxies.contains_key(&container.id));
        self.state.lost(openings, anybodys || is_proxy);
        for policy in &mut self.policies {
            let is_part = container.is_some_and(|container| {
                policy.compiled.targets.contains(&container.pod.uid) || policy.hop_pods.contains(&container.pod.uid)
            });
            if anybodys || is_part {
                policy.tally.lost = policy.tally.lost.saturating_add(records);
            }
        }
        self.last_losses.1.push(loss);
    }

    fn tick(&mut self, at: BootNs, out: &mut Vec<Judged>) {
        let mut due = std::mem::take(&mut self.due);
        due.extend(self.state.tick(at));
        self.progress.sort_unstable_by_key(|(key, _)| *key);
        for news in self.progress.chunk_by(|(one, _), (other, _)| one == other) {
            let key = news[0].0;
            if self.state.progressed(key, news.iter().map(|(_, news)| news)) {
                due.push(key);
            }
        }
        self.progress.clear();
        self.progress.shrink_to(KEPT);
        due.sort_unstable();
        due.dedup();
        self.policies.iter_mut().for_each(|policy| policy.explained = 0);
        for key in due.drain(..) {
            self.judge(key, at, out);
        }
        due.append(&mut self.due);
        due.shrink_to(KEPT);
        self.due = due;
        for connection in std::mem::take(&mut self.unreadable) {
            self.judge_unreadable(&connection, out);
            self.tell(connection);
        }
        let forgotten = self.state.forget();
        if !forgotten.arrivals.is_empty() {
            self.due.retain(|key| self.state.arrivals.get(key).is_some());
        }
        for (key, arrival) in &forgotten.arrivals {
            self.evict(*key, arrival, out);
        }
        self.due.extend(forgotten.bereft);
    }

    /// Arrivals that wait for the next tick.
    pub fn unsettled(&self) -> bool {
        !self.due.is_empty()
    }
}

#[cfg(test)]
mod tests;
