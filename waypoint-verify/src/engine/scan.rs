//! What the probes cannot see, looked for at the start and now and then: ways past every hook.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::evidence::Evidence;
use crate::host::{Hole, Host};
use crate::model::BootNs;
use crate::probe::{self, Probe};
use crate::trace::Tracer;

/// How long something that came can go unnoticed.
const EVERY: Duration = Duration::from_secs(10);
/// Containers that are looked at in one scan; those beyond it have their turn in the next ones.
const CONTAINERS: usize = 256;
/// Findings that are kept.
const FINDINGS: usize = 256;

/// Findings, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Scans {
    due: Option<Instant>,
    turn: usize,
    findings: BTreeSet<String>,
    new: Vec<String>,
}

impl Scans {
    pub(super) fn findings(&self) -> impl Iterator<Item = &String> {
        self.findings.iter()
    }

    /// Those that nobody was told yet.
    pub(super) fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS && self.findings.insert(finding.clone()) {
            self.new.push(finding);
        }
    }

    /// Looks, if it is time to.
    pub(super) fn run(
        &mut self,
        probe: &mut Probe,
        tracer: &mut Tracer<Host>,
        at: BootNs,
        out: &mut Vec<Evidence>,
    ) -> anyhow::Result<()> {
        if self.due.is_some_and(|due| Instant::now() < due) {
            return Ok(());
        }
        // Counted from here: a scan that takes long does not follow itself.
        self.due = Some(Instant::now() + EVERY);
        probe.forget_idle_owners()?;
        self.programs(tracer, at, out);
        match probe.foreign_programs() {
            Ok(programs) => programs
                .into_iter()
                .for_each(|program| self.find(format!("another program runs on the hooks: {program}"))),
            Err(error) => self.find(format!("not checked: other programs on the hooks ({error})")),
        }
        let containers = tracer.machine().watched();
        let among = containers.len().max(1);
        for (container, pids) in
            containers.iter().cycle().skip(self.turn % among).take(CONTAINERS.min(containers.len()))
        {
            for hole in tracer.machine().holes(container, pids) {
                match hole {
                    Hole::UserSpaceTcp(what) => {
                        tracer.can_be_bypassed(container, &what, at, out);
                        self.find(format!("user-space TCP is possible: {what}"));
                    }
                    Hole::NotChecked(what) => self.find(format!("not checked: {what}")),
                }
            }
        }
        self.turn = (self.turn + CONTAINERS) % among;
        Ok(())
    }

    fn programs(&mut self, tracer: &mut Tracer<Host>, at: BootNs, out: &mut Vec<Evidence>) {
        match probe::redirections() {
            Ok(found) => {
                for program in &found.programs {
                    self.find(format!("a program can move octets past every hook: {program}"));
                }
                for map in &found.maps {
                    self.find(format!("a map for programs that move octets past every hook: {map}"));
                }
                let why = (!found.programs.is_empty())
                    .then(|| format!("octets may be redirected unseen by {}", found.programs.join(", ")));
                tracer.redirected(why, at, out);
            }
            Err(error) => self.find(format!("not checked: programs that redirect octets ({error})")),
        }
    }
}
