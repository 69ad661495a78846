//! What is said in advance of requests, and by what they are told apart.

use std::net::SocketAddr;

use super::{SHADOW, Stage};
use crate::attack::label::{Intent, Label};
use crate::client::Outcome;
use crate::demo::Count;

impl Stage {
    /// Declares requests that go the demanded way, and what must be said of them; returns the beginning of their paths.
    pub fn legitimate<C: Into<Count>, const N: usize>(
        &mut self,
        name: &str,
        expected: [(&'static str, C); N],
    ) -> String {
        self.declare(Intent::Legitimate, name, expected.map(|(what, count)| (what, count.into())).to_vec())
    }

    /// Declares requests that go past the waypoint.
    pub fn bypass<C: Into<Count>, const N: usize>(&mut self, name: &str, expected: [(&'static str, C); N]) -> String {
        self.declare(Intent::Bypass, name, expected.map(|(what, count)| (what, count.into())).to_vec())
    }

    /// Declares requests that must not arrive at all: whoever is on the way refuses them.
    pub fn refused(&mut self, name: &str) -> String {
        self.declare(Intent::Bypass, name, Vec::new())
    }

    /// The same with expectations that are computed.
    pub fn declare(&mut self, intent: Intent, name: &str, expected: Vec<(&'static str, Count)>) -> String {
        let label = Label::new(intent, self.playing.attack, name, expected);
        let path = label.path.clone();
        self.labels.push(label);
        path
    }

    /// These requests were sent on connections that may be judged as such, without a path.
    pub fn sent_on(&mut self, label: &str, outcomes: &[Outcome]) {
        for local in outcomes.iter().filter_map(|outcome| outcome.local) {
            self.sent_from(label, local);
        }
    }

    /// What is sent from this address is of this label, where it has no path.
    pub fn sent_from(&mut self, label: &str, local: SocketAddr) {
        self.connections.insert(local, label.to_owned());
    }

    /// The same of the address that the backend saw: that of the last proxy's end, where there was one.
    pub fn reached_from(&mut self, label: &str, outcome: &Outcome) {
        if let Some(peer) = outcome.header("x-lab-peer").and_then(|peer| peer.parse().ok()) {
            self.sent_from(label, peer);
        }
    }

    /// What has exactly this path is of this label: where the way that it took is only known afterwards.
    pub fn was(&mut self, path: &str, label: &str) {
        self.paths.insert(path.to_owned(), label.to_owned());
    }

    /// Copies that a mirror made of requests of a label (their authority ends in `-shadow`) are of another one.
    pub fn copies(&mut self, of: &str, label: &str) {
        self.paths.insert(format!("{of}{SHADOW}"), label.to_owned());
    }

    /// These requests carry their label as `User-Agent`, because nothing else tells them apart.
    pub fn told_by_backends(&mut self) {
        self.by_agent = true;
    }

    /// Connections that nothing else tells are of this label: those between proxies, where records may be lost.
    pub fn label_rest(&mut self, label: &str) {
        self.rest = Some(label.to_owned());
    }
}
