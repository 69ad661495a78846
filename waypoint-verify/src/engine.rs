//! One machine, from probe to verdict: what `run` and `gate` share.

mod observer;
mod older;
mod scan;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::inventory::{Inventory, compile};
use crate::judge::{self, Judge, Judged};
use crate::manifest::{Problem, Problems};
use crate::model::WatchList;
use crate::policy::read_policies;
use crate::recording::Recorder;
use crate::{probe, trace};
pub use observer::Observer;

/// Reads policies and inventory from files and compiles them; every problem of all files at once.
pub fn load(policies: &[PathBuf], inventory: &[PathBuf]) -> Result<WatchList, Problems> {
    let (loaded, others, mut problems) = read_policies(policies);
    let (objects, more) = crate::manifest::read_paths(inventory);
    problems.extend(more);
    let (inventory, more) = Inventory::from_objects(others.into_iter().chain(objects));
    problems.extend(more);
    if loaded.is_empty() && !problems.iter().any(Problem::is_error) {
        problems
            .push(Problem::error("no WaypointPolicy in the files given", "name a file that holds one with --policy"));
    }
    let compiled = compile(&loaded, &inventory);
    problems.retain(Problem::is_error);
    match compiled {
        Ok(watch) if problems.is_empty() => Ok(watch),
        Ok(_) => Err(Problems(problems)),
        Err(more) => {
            problems.extend(more);
            problems.sort();
            problems.dedup();
            Err(Problems(problems))
        }
    }
}

/// What an engine is given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub probe: probe::Config,
    pub trace: trace::Limits,
    pub judge: judge::Limits,
}

/// Probes, tracer and judge of this machine.
#[derive(Debug)]
pub struct Engine {
    observer: Observer,
    judge: Judge,
    latency: Histogram<u64>,
    recorder: Option<Recorder>,
}

/// Percentiles of the time from the end of an arrival's head to its first verdict, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Engine {
    /// Attaches the probes; nothing stays attached on an error.
    pub fn start(watch: WatchList, options: Options) -> anyhow::Result<Self> {
        let watch = Arc::new(watch);
        let observer = Observer::start(Arc::clone(&watch), options.probe, options.trace, random_key()?)?;
        let mut judge = Judge::new(watch, options.judge);
        judge.set_coverage(observer.uncovered.is_empty());
        let latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).context("making a histogram")?;
        Ok(Self { observer, judge, latency, recorder: None })
    }

    /// Records from here on what is judged. Before the first step: a recording holds everything.
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// Whether what is judged should be recorded, and is not.
    pub fn is_unrecorded(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::has_failed)
    }

    /// Who records, for the end of the recording.
    pub fn take_recorder(&mut self) -> Option<Recorder> {
        self.recorder.take()
    }

    /// As [`Observer::readable`]; sooner while time alone can make a verdict final.
    pub async fn readable(&mut self) -> anyhow::Result<()> {
        self.observer.readable(self.judge.unsettled()).await
    }

    /// Reads everything that was observed so far and judges it.
    pub fn step(&mut self, out: &mut Vec<Judged>) -> anyhow::Result<()> {
        let first = out.len();
        let (judge, recorder) = (&mut self.judge, &mut self.recorder);
        self.observer.step(|evidence| {
            if let Some(recorder) = recorder {
                recorder.evidence(&evidence);
            }
            judge.apply(evidence, out);
        })?;
        // Not the tick's: the judging itself took time, too.
        let now = probe::boot_ns()?;
        for judged in &out[first..] {
            if judged.is_first && judged.arrived > 0 {
                let micros = now.saturating_sub(judged.arrived) / 1000;
                self.latency.saturating_record(micros.max(1));
            }
        }
        Ok(())
    }

    /// Something that was seen has no final verdict yet.
    pub fn unsettled(&self) -> bool {
        self.observer.unsettled()
            || self.judge.unsettled()
            || self.judge.tallies().any(|(_, tally)| tally.provisional > 0)
    }

    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    pub fn observer(&mut self) -> &mut Observer {
        &mut self.observer
    }

    pub fn observed(&self) -> &Observer {
        &self.observer
    }

    pub fn latency(&self) -> Latency {
        #[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
        let ms = |micros: u64| micros as f64 / 1000.0;
        Latency {
            p50_ms: ms(self.latency.value_at_quantile(0.5)),
            p99_ms: ms(self.latency.value_at_quantile(0.99)),
            max_ms: ms(self.latency.max()),
        }
    }
}

/// From the kernel's generator.
pub fn random_key<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut key = [0; N];
    let device = Path::new("/dev/urandom");
    File::open(device)
        .and_then(|mut file| file.read_exact(&mut key))
        .with_context(|| format!("reading a random key from {}", device.display()))?;
    Ok(key)
}
