//! What an attack is played on: a lab, the real program that watches it, and the truth about what is sent.

mod count;
mod declare;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::label::Label;
use crate::demo::Verifier;
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
    /// By label: what only a summary says.
    counted: BTreeMap<String, BTreeMap<String, u64>>,
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
            counted: BTreeMap::new(),
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

    /// Starts it without single verdicts: for more requests than anybody would read. `counted` says what came of them.
    pub fn observe_quietly(&mut self, options: &[&str]) -> Result<()> {
        let verifier = Verifier::gate(&self.lab, 1, &[&["--quiet"], options].concat())?;
        self.watched_by(verifier);
        Ok(())
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

    /// Waits until so many of a label were judged for good, whatever was said of them.
    pub fn judged(&mut self, path: &str, count: u64) -> Result<()> {
        self.listen_until(|labels| {
            let of = labels.iter().filter(|label| label.path == path);
            of.map(|label| label.seen.values().sum::<u64>() - label.provisional).sum::<u64>() >= count
        })
    }

    fn settle_those(&mut self, mine: impl Fn(&Label) -> bool) -> Result<()> {
        self.listen_until(|labels| {
            labels.iter().filter(|label| mine(label)).all(|label| label.differences().is_empty())
        })
    }

    /// Gives up after a while: what is missing is told as a difference.
    fn listen_until(&mut self, done: impl Fn(&[Label]) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.tally()?;
            if done(&self.labels) {
                return Ok(());
            }
            let Some(verifier) = &mut self.verifier else { return Ok(()) };
            if !verifier.listen(until)? {
                return Ok(());
            }
            // All that is there: counting anew after each of thousands would take minutes.
            while verifier.listen(Instant::now())? {}
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
}
