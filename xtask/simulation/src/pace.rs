//! Requests at a rate, in rounds; and what there is to tell of it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waypoint_verify::model::BootNs;

use crate::agent::Queues;
use crate::traffic::{Observed, Traffic};

/// What was observed within it is observed together.
pub const ROUND: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Pace {
    traffic: Traffic,
    queues: Arc<Queues>,
    evidence: u64,
    start: Instant,
}

impl Pace {
    pub fn new(traffic: Traffic, queues: Arc<Queues>) -> Self {
        Self { traffic, queues, evidence: 0, start: Instant::now() }
    }

    /// Returns when the last answer has ended. Where the machine is too slow for the rate, it takes longer.
    pub fn step(&mut self, rate: f64, length: Duration) {
        let (began, before) = (Instant::now(), self.traffic.requests);
        let wanted = (rate * length.as_secs_f64()).round();
        let mut waits = true;
        while waits || self.done(before) < wanted {
            let due = (rate * began.elapsed().as_secs_f64()).ceil().min(wanted);
            let (now, mut observed) = (self.now(), Observed::default());
            while self.done(before) < due {
                self.traffic.request(now, &mut observed);
            }
            waits = self.traffic.pay(now, &mut observed);
            self.evidence += observed.0.len() as u64;
            let mut queues = self.queues.lock();
            observed.0.into_iter().for_each(|(agent, evidence)| queues[agent].push(evidence));
            drop(queues);
            self.tell("sent", self.traffic.requests.into());
            std::thread::sleep(ROUND);
        }
        self.tell("took", began.elapsed().as_secs_f64().into());
    }

    fn done(&self, before: u64) -> f64 {
        (self.traffic.requests - before) as f64
    }

    fn now(&self) -> BootNs {
        BootNs::try_from(self.start.elapsed().as_nanos()).unwrap_or(BootNs::MAX)
    }

    fn tell(&self, what: &str, value: Value) {
        let mut out = std::io::stdout();
        // Whoever does not listen any more ends this program, too.
        if writeln!(out, "{}", json!({what: value, "evidence": self.evidence})).and_then(|()| out.flush()).is_err() {
            std::process::exit(1);
        }
    }
}
