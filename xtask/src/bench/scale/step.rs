//! Requests at one rate, from the first one sent until the last one is counted.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Stage;
use crate::bench::proc;
use crate::bench::table::median;
use crate::cluster::Counted;
use crate::cluster::installation::Verifier;

/// Between two looks at the verifier's metrics.
const LOOK: Duration = Duration::from_millis(200);
/// After the last request was sent, how long until it has to be counted.
const PATIENCE: Duration = Duration::from_secs(60);
/// A request is counted two ticks after its answer at the earliest; with more than this the verifier does not keep up.
const BEHIND: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Outcome {
    pub rate: u32,
    /// Since the start of the stage.
    pub sent: u64,
    pub counted: Counted,
    requests: u64,
    took: Duration,
    /// Of each look: age of the oldest request that is not counted.
    lags: Vec<f64>,
    late_ticks: u64,
    octets: u64,
    batches: u64,
    evidence: u64,
    /// CPU of verifiers, their busiest thread that judges, bus and simulation, and of what time.
    cpu: [Duration; 4],
    over: Duration,
    resident: u64,
}

impl Stage {
    pub fn step(&mut self, rate: u32, length: Duration) -> Result<Outcome> {
        let verifiers = self.verifiers.iter().map(Verifier::pid).collect::<Result<Vec<_>>>()?;
        let (bus, agents) = (self.installation.nats.pid().context("the bus is away")?, self.agents.pid());
        let cpu = || -> Result<[Duration; 3]> {
            let all = verifiers.iter().map(|pid| proc::cpu(*pid)).sum::<Result<Duration>>()?;
            Ok([all, proc::cpu(bus)?, proc::cpu(agents)?])
        };
        let judging = || -> Result<Vec<Duration>> {
            let threads = verifiers.iter().map(|pid| proc::cpu_of_threads(*pid, "judge-"));
            Ok(threads.collect::<Result<Vec<_>>>()?.into_iter().flat_map(BTreeMap::into_values).collect())
        };
        let (before, used, judged, began) = (self.counted()?, cpu()?, judging()?, Instant::now());
        self.agents.send(rate, length)?;
        // When so many had been sent of which not all are counted.
        let mut sent: VecDeque<(Instant, u64)> = VecDeque::new();
        let (mut all, mut took, mut ended) = (before.verified, None, None);
        let mut lags = Vec::new();
        let counted = loop {
            std::thread::sleep(LOOK);
            for (at, told) in self.agents.told() {
                if let Some(number) = told["sent"].as_u64() {
                    sent.push_back((at, number));
                    all = number;
                }
                if let Some(seconds) = told["took"].as_f64() {
                    took = Some(Duration::from_secs_f64(seconds));
                    ended = Some(Instant::now());
                }
            }
            let counted = self.counted()?;
            while sent.pop_front_if(|(_, number)| *number <= counted.verified).is_some() {}
            lags.push(sent.front().map_or(0.0, |(at, _)| at.elapsed().as_secs_f64()));
            let is_all = counted.verified + counted.wrong >= all && counted.provisional == 0;
            match ended {
                Some(_) if is_all => break counted,
                Some(ended) if ended.elapsed() > PATIENCE => break counted,
                None if began.elapsed() > 4 * length + PATIENCE => bail!("the simulation does not end a step"),
                _ => {}
            }
        };
        let [verifiers_now, bus_now, agents_now] = cpu()?;
        let busiest = judging()?.into_iter().zip(judged).map(|(now, before)| now.saturating_sub(before)).max();
        if counted.wrong > 0 {
            let is_said = |line: &&str| line.contains("_total{") && !line.ends_with(" 0");
            self.metrics()?.lines().filter(is_said).for_each(|line| eprintln!("bench: {line}"));
        }
        Ok(Outcome {
            rate,
            sent: all,
            counted,
            requests: all - before.verified,
            took: took.unwrap_or(length),
            lags,
            late_ticks: counted.late_ticks - before.late_ticks,
            octets: counted.octets - before.octets,
            batches: counted.batches - before.batches,
            evidence: counted.evidence - before.evidence,
            cpu: [verifiers_now - used[0], busiest.unwrap_or_default(), bus_now - used[1], agents_now - used[2]],
            over: began.elapsed(),
            resident: self.resident()?,
        })
    }
}

impl Outcome {
    pub const HEADER: &str = "| asked for | sent | counted Verified | lag, median and worst | verifiers: CPU for 1,000 requests | of a \
        core, the busiest judge | NATS, of a core | agents, of a core | resident | octets a request | late ticks |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

    /// Everything that was ever sent is Verified for good, and nothing else was said of anything.
    pub fn is_exact(&self) -> bool {
        (self.counted.verified, self.counted.wrong, self.counted.provisional) == (self.sent, 0, 0)
    }

    pub fn keeps_up(&self) -> bool {
        self.is_exact() && self.late_ticks == 0 && self.worst_lag() < BEHIND.as_secs_f64()
    }

    fn worst_lag(&self) -> f64 {
        self.lags.iter().copied().fold(0.0, f64::max)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, sent, counted, requests, took, .. } = self;
        let each = |of: f64| if *requests == 0 { 0.0 } else { of / *requests as f64 };
        let [verifier, judging, bus, agents] = self.cpu.map(|cpu| cpu.as_secs_f64());
        let share = |cpu: f64| 100.0 * cpu / self.over.as_secs_f64();
        let right = if self.is_exact() {
            format!("all {requests}")
        } else {
            format!("**{} of {sent}**, {} other, {} open", counted.verified, counted.wrong, counted.provisional)
        };
        write!(
            f,
            "| {rate}/s | {:.0}/s | {right} | {:.2} s, {:.2} s | {:.1} ms | {:.0} %, {:.0} % | {:.0} % | {:.0} % | {} MiB | {:.0} ({:.1} pieces; {:.0} \
             messages/s) | {} |",
            *requests as f64 / took.as_secs_f64(),
            median(&self.lags),
            self.worst_lag(),
            each(verifier) * 1e6,
            share(verifier),
            share(judging),
            share(bus),
            share(agents),
            self.resident >> 10,
            each(self.octets as f64),
            each(self.evidence as f64),
            self.batches as f64 / self.over.as_secs_f64(),
            self.late_ticks,
        )
    }
}
