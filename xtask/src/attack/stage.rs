//! What an attack is played on: a lab, the real program that watches it, and the truth about what is sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::label::{Intent, Label, fate, of_path};
use super::truth::Truth;
use crate::client::Outcome;
use crate::demo::{Count, Verifier};
use crate::lab::{Lab, Topology};

/// What Envoy puts behind the authority of a mirrored request.
const SHADOW: &str = "-shadow";

/// Far beyond what any verdict takes; what has not come by then is told as a difference.
const PATIENCE: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub struct Stage {
    pub lab: Lab,
    /// What the verifier said when it was ready.
    pub ready: Value,
    /// What it said at its end, of those that have ended.
    pub summaries: Vec<Value>,
    verifier: Option<Verifier>,
    /// Verdicts of those that have ended, one list for each.
    told: Vec<Vec<Value>>,
    exit: Option<i32>,
    playing: Playing,
    /// Where in the verdicts each attack began.
    begun: Vec<Playing>,
    pub(super) labels: Vec<Label>,
    /// Whose connections cannot be read: label by the sender's address.
    connections: BTreeMap<SocketAddr, String>,
    /// Label by exact path, and by a label's path with `SHADOW` behind it.
    paths: BTreeMap<String, String>,
    rest: Option<String>,
    by_agent: bool,
    /// Labels by message, from what the backends have served so far.
    agents: BTreeMap<String, String>,
    pub(super) wrong: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    attack: &'static str,
    run: usize,
    from: usize,
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        let topology = Topology { access_log: true, ..Topology::standard() };
        Ok(Self {
            lab: Lab::up(&topology)?,
            ready: Value::Null,
            summaries: Vec::new(),
            verifier: None,
            told: Vec::new(),
            exit: None,
            playing: Playing { attack: "", run: 0, from: 0 },
            begun: Vec::new(),
            labels: Vec::new(),
            connections: BTreeMap::new(),
            paths: BTreeMap::new(),
            rest: None,
            by_agent: false,
            agents: BTreeMap::new(),
            wrong: Vec::new(),
        })
    }

    pub(super) fn begin(&mut self, attack: &'static str) {
        let from = self.verifier.as_ref().map_or(0, |verifier| verifier.verdicts.len());
        self.playing = Playing { attack, run: self.told.len(), from };
        self.begun.push(self.playing);
    }

    /// Starts the verifier as a gate; returns when its probes are attached.
    pub fn observe(&mut self, options: &[&str]) -> Result<()> {
        let verifier = Verifier::gate(&self.lab, 1, options)?;
        self.watched_by(verifier);
        Ok(())
    }

    /// The same, for an agent that sees only what is below this cgroup.
    pub fn observe_below(&mut self, root: &Path) -> Result<()> {
        let verifier = Verifier::gate_below(root, &self.lab, &[])?;
        self.watched_by(verifier);
        Ok(())
    }

    /// Starts it without an end of its own.
    pub(super) fn observe_all(&mut self) -> Result<()> {
        let verifier = Verifier::run(&self.lab, &[])?;
        self.watched_by(verifier);
        Ok(())
    }

    fn watched_by(&mut self, verifier: Verifier) {
        self.ready = verifier.ready.clone();
        self.verifier = Some(verifier);
    }

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

    /// What the gate's exit code must be one of.
    pub fn exits(&mut self, codes: &[i32]) -> Result<()> {
        self.end()?;
        let exit = self.exit.context("the verifier was not ended")?;
        self.claim(&format!("exit code {exit} is one of {codes:?}"), codes.contains(&exit));
        Ok(())
    }

    /// A claim about what was explained.
    pub fn claim(&mut self, claim: &str, holds: bool) {
        if !holds {
            self.wrong.push((self.playing.attack, format!("{claim}: not so")));
        }
    }

    /// The verifier that runs now.
    pub fn verifier(&mut self) -> Result<&mut Verifier> {
        self.verifier.as_mut().context("no verifier runs")
    }

    /// Waits until what is expected of this attack's requests was said, and is final.
    pub fn settle(&mut self) -> Result<()> {
        let attack = self.playing.attack;
        self.settle_those(|label| label.attack == attack)
    }

    /// The same for one label.
    pub fn settle_label(&mut self, path: &str) -> Result<()> {
        self.settle_those(|label| label.path == path)
    }

    /// Whether something of a label was said to be this.
    pub fn has(&self, path: &str, fate: &str) -> bool {
        self.labels.iter().any(|label| label.path == path && label.seen.contains_key(fate))
    }

    /// Explanations of what was said of a label.
    pub fn samples(&self, path: &str) -> impl Iterator<Item = String> {
        let of =
            self.labels.iter().filter(|label| label.path == path).flat_map(|label| label.samples.values().cloned());
        of.collect::<Vec<_>>().into_iter()
    }

    fn settle_those(&mut self, mine: impl Fn(&Label) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.tally()?;
            if self.labels.iter().filter(|label| mine(label)).all(|label| label.differences().is_empty()) {
                return Ok(());
            }
            let Some(verifier) = &mut self.verifier else { return Ok(()) };
            if !verifier.listen(until)? {
                return Ok(());
            }
        }
    }

    /// Newest verdicts of this attack, so far.
    pub fn verdicts(&self) -> Vec<&Value> {
        self.latest()
            .filter(|(_, verdict)| {
                self.label_of(verdict).is_some_and(|label| self.labels[label].attack == self.playing.attack)
            })
            .map(|(_, verdict)| verdict)
            .collect()
    }

    /// Interrupts the verifier and reads the rest.
    pub fn end(&mut self) -> Result<()> {
        let Some(verifier) = self.verifier.take() else { return Ok(()) };
        let ended = verifier.end()?;
        self.exit = Some(ended.counts.exit);
        self.summaries.push(ended.summary);
        self.told.push(ended.verdicts);
        Ok(())
    }

    /// Kills the verifier: it says nothing more.
    pub fn kill(&mut self) -> Result<()> {
        let mut verifier = self.verifier.take().context("no verifier runs")?;
        kill(Pid::from_raw(verifier.pid().try_into()?), Signal::SIGKILL)?;
        while verifier.listen(Instant::now() + PATIENCE)? {}
        self.told.push(std::mem::take(&mut verifier.verdicts));
        Ok(())
    }

    /// Counts the newest verdict of each message under its label.
    pub(super) fn tally(&mut self) -> Result<()> {
        if self.by_agent {
            let truth = Truth::read(&self.lab)?;
            let labels = truth.labels(self.latest().map(|(_, verdict)| verdict));
            self.agents = labels.into_iter().map(|(message, label)| (message.to_owned(), label)).collect();
        }
        let mut seen: Vec<(usize, String, bool, String)> = Vec::new();
        for (_, verdict) in self.latest() {
            let Some(label) = self.label_of(verdict) else { continue };
            let fate = fate(verdict);
            let provisional = verdict["verdict"] == "verified" && verdict["final"] == false;
            seen.push((label, fate, provisional, verdict["explanation"].to_string()));
        }
        for label in &mut self.labels {
            label.seen.clear();
            label.provisional = 0;
        }
        for (label, fate, provisional, explanation) in seen {
            let label = &mut self.labels[label];
            label.samples.insert(fate.clone(), explanation);
            *label.seen.entry(fate).or_default() += 1;
            label.provisional += u64::from(provisional);
        }
        Ok(())
    }

    /// Verdicts that nobody declared, told to the attack under which they came.
    pub(super) fn tell_unlabelled(&mut self) {
        let unlabelled: Vec<_> = self
            .latest()
            .filter(|(_, verdict)| self.label_of(verdict).is_none())
            .map(|(attack, verdict)| {
                let explanation = &verdict["explanation"];
                (attack, format!("a verdict that no label expects: {} {explanation}", fate(verdict)))
            })
            .collect();
        self.wrong.extend(unlabelled);
    }

    fn label_of(&self, verdict: &Value) -> Option<usize> {
        let explanation = &verdict["explanation"];
        let by_agent = || self.agents.get(verdict["message"].as_str()?).cloned();
        let request = &explanation["request"];
        let by_path = || {
            let path = request["path"].as_str()?;
            let label = self.paths.get(path).cloned().or_else(|| of_path(path))?;
            let copied = request["authority"].as_str().is_some_and(|authority| authority.ends_with(SHADOW));
            let copy = copied.then(|| self.paths.get(&format!("{label}{SHADOW}"))).flatten();
            Some(copy.cloned().unwrap_or(label))
        };
        let by_sender = || {
            let address = explanation["sender"]["address"].as_str()?.parse().ok()?;
            self.connections.get(&address).cloned()
        };
        let path = by_agent().or_else(by_path).or_else(by_sender).or_else(|| self.rest.clone())?;
        self.labels.iter().position(|label| label.path == path)
    }

    /// The newest verdict of each message, with the attack under which it came. Each run of the verifier speaks for itself.
    fn latest(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let running = self.verifier.iter().map(|verifier| &verifier.verdicts);
        let mut latest = BTreeMap::new();
        for (run, verdicts) in self.told.iter().chain(running).enumerate() {
            for (at, verdict) in verdicts.iter().enumerate() {
                latest.insert((run, verdict["message"].as_str().unwrap_or_default()), (at, verdict));
            }
        }
        latest.into_iter().map(|((run, _), (at, verdict))| {
            let under = self.begun.iter().rev().find(|playing| (playing.run, playing.from) <= (run, at));
            (under.map_or("", |playing| playing.attack), verdict)
        })
    }
}
