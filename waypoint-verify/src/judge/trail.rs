//! Walks an arrival back: who sent it, what could have caused that, and whether all of it came the demanded way.

mod senders;
mod ways;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::networks::Networks;
use super::state::{Arrival, Departure, Entry, State, Status};
use super::tally::Share;
use crate::model::{Bypass, Class, CompiledPolicy, ConnKey, Listener, MessageKey, Reason, Verdict, WatchList};
pub use ways::Found;
use ways::{Place, Way, Ways};

/// One policy, applied to what is remembered.
#[derive(Debug)]
pub struct Walk<'a> {
    pub state: &'a State,
    pub watch: &'a WatchList,
    pub pods: &'a Networks,
    pub policy: &'a CompiledPolicy,
    /// UIDs of pods in which a gateway or this policy's waypoint runs.
    pub hop_pods: &'a BTreeSet<String>,
}

impl<'a> Walk<'a> {
    pub fn arrival(&self, key: MessageKey, arrival: &Arrival) -> Found {
        let mut ways = Ways::default();
        let mut class = Class::Request;
        let end = self.active_end(key.conn);
        match end {
            _ if self.is_disputed(key.conn) => ways.add(Way::Unknown(Reason::Conflict), key),
            None => self.unseen_sender(key, arrival.peer.ip(), Bypass::DirectConnection, &mut ways),
            Some(end) if self.is_last_hop(&end.owner) => {
                if self.departure_agrees(key, arrival.digest, &mut ways) {
                    if self.policy.via.is_empty() && !self.is_gateway(&end.owner) {
                        self.waypoint(key, &mut ways);
                    } else {
                        self.gateway(key, self.policy.via.len(), &mut ways);
                    }
                    if self.state.departures.get(&key).is_some_and(|departure| departure.link().mirror) {
                        class = Class::Mirror;
                    }
                }
            }
            Some(end) => self.unexpected(&end.owner, Bypass::DirectConnection, key, &mut ways),
        }
        if let Some(reason) = self.exemption(key.conn, &ways, arrival.local.port(), &arrival.at_pod.node) {
            class = Class::Exempt(reason);
        }
        let group = self.state.departures.get(&key).and_then(|departure| departure.group);
        self.found(ways, class, group)
    }

    /// A connection whose bytes cannot be read: only who opened it can be said.
    pub fn unreadable(
        &self,
        conn: Option<ConnKey>,
        peer: SocketAddr,
        local: SocketAddr,
        node: &str,
        reason: Reason,
    ) -> Found {
        let key = MessageKey { conn: conn.unwrap_or(ConnKey { client_isn: 0, server_isn: 0 }), offset: 0, stream: 0 };
        let mut ways = Ways::default();
        let end = conn.and_then(|conn| self.active_end(conn));
        match (conn, end) {
            (Some(conn), _) if self.is_disputed(conn) => ways.add(Way::Unknown(Reason::Conflict), key),
            (_, Some(end)) if !self.is_last_hop(&end.owner) => {
                self.unexpected(&end.owner, Bypass::DirectConnection, key, &mut ways);
            }
            (Some(_), None) => self.unseen_sender(key, peer.ip(), Bypass::DirectConnection, &mut ways),
            _ => ways.add(Way::Unknown(reason), key),
        }
        if ways.ways.iter().any(|way| matches!(way, Way::Unknown(_))) {
            ways.ways = BTreeSet::from([Way::Unknown(reason)]);
        }
        let class =
            conn.and_then(|conn| self.exemption(conn, &ways, local.port(), node)).map_or(Class::Request, Class::Exempt);
        self.found(ways, class, None)
    }

    /// `group`: the attempts that the last hop's departure was paid for with.
    fn found(&self, mut ways: Ways, class: Class, group: Option<MessageKey>) -> Found {
        let mut verdict = ways.verdict();
        let overdrawn = match (ways.overdrawn.len(), ways.overdrawn.first(), group) {
            // A mirrored copy is one more of a request that is counted.
            (1, Some(Some(class_number)), Some(group)) if class == Class::Request => {
                Some(Share { class: *class_number, group })
            }
            _ => None,
        };
        if verdict == Verdict::Verified && ways.uncounted {
            verdict = Verdict::Unverified(Reason::Lost);
        }
        if verdict == Verdict::Verified && ways.overdrawn.iter().any(Option::is_some) {
            verdict = Verdict::Unverified(Reason::Overdrawn);
        }
        if verdict == Verdict::Verified && ways.unguarded {
            verdict = Verdict::Unverified(Reason::Unguarded);
        }
        if verdict != Verdict::Verified {
            // Only a Verified waits for counts; everything else stands on what is there.
            ways.pending.clear();
        }
        Found {
            verdict,
            class,
            pending: ways.pending,
            relied_on: ways.relied_on,
            overdrawn,
            unseen: ways.unseen,
            listeners: ways.listeners,
            culprit: ways.culprits.first().copied(),
        }
    }

    /// `stage`: how many of the policy's gateways may still stand between the waypoint and this departure.
    fn gateway(&self, key: MessageKey, stage: usize, ways: &mut Ways<'a>) {
        let Some(departure) = self.explained(key, Bypass::UnknownSender, ways) else { return };
        for candidate in ways.unseen_of(Place::Gateway(stage), &departure.link().candidates) {
            if !ways.visit(Place::Gateway(stage), *candidate) {
                continue;
            }
            let Some(entry) = self.entry(*candidate, ways) else { continue };
            let Some(listener) = self.listener(entry, *candidate, ways) else { continue };
            let wanted = stage.checked_sub(1).and_then(|index| self.policy.via.get(index));
            if wanted != Some(&listener.gateway) {
                ways.listeners.insert(listener.clone());
                ways.add(Way::Past(Bypass::RouteBypass), *candidate);
                continue;
            }
            let Some(sender) = self.active_end(candidate.conn) else {
                ways.listeners.insert(listener.clone());
                self.unseen_sender(*candidate, entry.peer.ip(), Bypass::UpstreamBypass, ways);
                continue;
            };
            let expected = if stage > 1 { self.is_gateway(&sender.owner) } else { self.is_waypoint(&sender.owner) };
            if !expected {
                ways.listeners.insert(listener.clone());
                self.unexpected(&sender.owner, Bypass::UpstreamBypass, *candidate, ways);
            } else if self.departure_agrees(*candidate, entry.digest, ways) {
                if stage > 1 {
                    self.gateway(*candidate, stage - 1, ways);
                } else {
                    self.waypoint(*candidate, ways);
                }
            }
        }
    }

    fn waypoint(&self, key: MessageKey, ways: &mut Ways<'a>) {
        let Some(departure) = self.explained(key, Bypass::WaypointOrigin, ways) else { return };
        let Some(allowed) = &self.policy.entry else {
            ways.add(Way::Through, key);
            return;
        };
        for candidate in ways.unseen_of(Place::Waypoint, &departure.link().candidates) {
            if !ways.visit(Place::Waypoint, *candidate) {
                continue;
            }
            let Some(entry) = self.entry(*candidate, ways) else { continue };
            match self.active_end(candidate.conn) {
                Some(sender) if self.is_gateway(&sender.owner) => {
                    if !self.departure_agrees(*candidate, entry.digest, ways) {
                        continue;
                    }
                    let Some(departure) = self.explained(*candidate, Bypass::UnknownSender, ways) else { continue };
                    for cause in ways.unseen_of(Place::Entrance, &departure.link().candidates) {
                        if !ways.visit(Place::Entrance, *cause) {
                            continue;
                        }
                        let Some(entered) = self.entry(*cause, ways) else { continue };
                        let Some(listener) = self.listener(entered, *cause, ways) else { continue };
                        if allowed.contains(&listener.gateway) {
                            ways.add(Way::Through, key);
                        } else {
                            ways.listeners.insert(listener.clone());
                            ways.add(Way::Past(Bypass::RouteBypass), *cause);
                        }
                    }
                }
                Some(sender) => self.unexpected(&sender.owner, Bypass::UpstreamBypass, *candidate, ways),
                None => self.unseen_sender(*candidate, entry.peer.ip(), Bypass::UpstreamBypass, ways),
            }
        }
    }

    /// The departure, if its candidates are known and countable; otherwise what can be said without them.
    fn explained(&self, key: MessageKey, originated: Bypass, ways: &mut Ways<'a>) -> Option<&'a Departure> {
        let Some(departure) = self.state.departures.get(&key) else {
            ways.add(Way::Unknown(self.missing(Reason::NoDeparture)), key);
            return None;
        };
        let link = departure.link();
        if link.foreign_process {
            ways.add(Way::Past(originated), key);
            return None;
        }
        let unknown = departure.unknown_creator.or(link.wild).or_else(|| link.more.then_some(Reason::Bound));
        if let Some(reason) = unknown {
            ways.add(Way::Unknown(reason), key);
            return None;
        }
        if link.candidates.is_empty() {
            ways.add(Way::Past(originated), key);
            return None;
        }
        ways.unguarded |= self.watch.proxies.get(&departure.instance.id).is_some_and(|proxy| proxy.guards.makes_up);
        ways.relied_on.push(key);
        match departure.status {
            Status::Pending => ways.pending.push(key),
            Status::Settled => {}
            Status::Uncounted => ways.uncounted = true,
            Status::Overdrawn(class) => {
                ways.overdrawn.insert(Some(class));
            }
        }
        // Forced counts speak of requests all of whose causes are in one overdrawn class of the waypoint.
        if originated == Bypass::WaypointOrigin && !matches!(departure.status, Status::Overdrawn(_)) {
            ways.overdrawn.insert(None);
        }
        Some(departure)
    }

    /// The two ends of a connection saw the same message at this place.
    fn departure_agrees(&self, key: MessageKey, digest: u64, ways: &mut Ways<'a>) -> bool {
        let way = match self.state.departures.get(&key) {
            None => Way::Unknown(self.missing(Reason::NoDeparture)),
            Some(departure) if departure.digest != digest => Way::Unknown(Reason::Conflict),
            Some(departure) if !self.dialled(key.conn, &departure.instance.id) => Way::Unknown(Reason::Conflict),
            Some(_) => return true,
        };
        ways.add(way, key);
        false
    }

    fn entry(&self, key: MessageKey, ways: &mut Ways<'a>) -> Option<&Entry> {
        if self.is_disputed(key.conn) {
            ways.add(Way::Unknown(Reason::Conflict), key);
            return None;
        }
        let entry = self.state.entries.get(&key);
        if entry.is_none() {
            ways.add(Way::Unknown(Reason::Evicted), key);
        }
        entry
    }

    fn listener(&self, entry: &Entry, key: MessageKey, ways: &mut Ways<'a>) -> Option<&Listener> {
        let listener = self.watch.listeners.get(&entry.local);
        if listener.is_none() {
            ways.add(Way::Unknown(Reason::GatewayUnknown), key);
        }
        listener
    }

    fn missing(&self, otherwise: Reason) -> Reason {
        if self.state.forgot { Reason::Evicted } else { otherwise }
    }
}
