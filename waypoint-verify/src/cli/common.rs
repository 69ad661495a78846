//! What `run` and `gate` are told alike, and the loop that they share.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::recording::{self, Kept, Planned};
use crate::bus::nats::Address;
use crate::bus::subject::Names;
use crate::engine::{Engine, Options, load};
use crate::judge::{Explain, Judged};
use crate::model::WatchList;
use crate::report::{Printer, Stream, Summary};

/// Where policies and inventory come from, and how this machine is observed.
#[derive(Args, Clone, Debug)]
pub struct Sources {
    /// Files or directories with WaypointPolicy objects (repeatable).
    #[arg(long = "policy", short = 'p', required = true, value_name = "PATH")]
    pub policies: Vec<PathBuf>,
    /// Files or directories with the cluster's objects, as `kubectl get -o yaml` prints them (repeatable).
    #[arg(long = "inventory", short = 'i', value_name = "PATH")]
    pub inventory: Vec<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct Observation {
    /// Directory of the cgroup-v2 hierarchy to observe; by default its root.
    #[arg(long, value_name = "DIR")]
    pub cgroup_root: Option<PathBuf>,
    /// Octets of the ring buffer (a power of two).
    #[arg(long, value_name = "OCTETS", default_value_t = 16 << 20)]
    pub ring_size: u32,
    /// Sockets that are followed at most.
    #[arg(long, value_name = "N", default_value_t = 131_072)]
    pub max_sockets: usize,
    /// Messages that the judge remembers at most, of each kind.
    #[arg(long, value_name = "N", default_value_t = 32_768)]
    pub max_messages: usize,
    /// Print no single verdicts, only the summary (explanations are not made either).
    #[arg(long)]
    pub quiet: bool,
    /// After the end of observation, how long to wait for verdicts that are still provisional, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub settle: u64,
    /// Verdicts are explained though they are not printed: somebody else reads them.
    #[arg(skip)]
    pub explain: bool,
}

impl Observation {
    pub fn options(&self) -> Options {
        let mut options = Options::default();
        if let Some(root) = &self.cgroup_root {
            options.probe.cgroup_root.clone_from(root);
        }
        options.probe.ring_bytes = self.ring_size;
        options.trace.sockets = self.max_sockets;
        options.judge.messages = self.max_messages;
        let wanted = self.explain || !self.quiet;
        options.judge.explain = if wanted { Explain::Everything } else { Explain::Nothing };
        options.trace.request_lines = wanted;
        options
    }
}

/// Everything that must be right before a probe is attached.
pub fn prepare(sources: &Sources) -> anyhow::Result<WatchList> {
    Ok(load(&sources.policies, &sources.inventory)?)
}

/// Why observation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Enough,
    Signal,
    Deadline,
    /// What is judged can be recorded no more.
    Unrecorded,
}

/// Observes until `enough` (which sees every verdict), a signal or the deadline; then waits for provisional verdicts, bounded. `stream`: in
/// what form verdicts are printed as they come.
pub fn observe(
    watch: WatchList,
    observation: &Observation,
    stream: Option<Stream>,
    deadline: Option<Duration>,
    recording: Option<Planned>,
    mut enough: impl FnMut(&Engine, &[Judged]) -> bool,
) -> anyhow::Result<(Summary, Ended, Option<Kept>)> {
    let findings = watch.findings.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let planned = recording.map(|planned| (planned, watch.clone()));
        let mut options = observation.options();
        options.trace.request_lines |= planned.is_some();
        let limits = options.judge.clone();
        let mut engine = Engine::start(watch, options)?;
        let minimum = planned.as_ref().map_or(1, |(planned, _)| planned.min_verified());
        let recorded = planned.map(|(planned, watch)| planned.begin(&watch, &limits, &engine)).transpose()?;
        let path = recorded.map(|(recorder, path)| {
            engine.record(recorder);
            path
        });
        let stdout = std::io::stdout();
        let mut printer = Printer::new(std::io::BufWriter::new(stdout.lock()), stream, observation.quiet);
        let mut judged: Vec<Judged> = Vec::new();
        // Connections are known from here on (`judge`).
        engine.step(&mut judged)?;
        printer.ready(&findings, &engine.observed().uncovered)?;
        let started = Instant::now();
        let ended = loop {
            tokio::select! {
                readable = engine.readable() => readable?,
                _ = interrupt.recv() => break Ended::Signal,
                _ = terminate.recv() => break Ended::Signal,
            }
            engine.step(&mut judged)?;
            engine.observer().take_new_findings().iter().for_each(|finding| eprintln!("finding: {finding}"));
            let is_enough = enough(&engine, &judged);
            printer.verdicts(&mut judged)?;
            if engine.is_unrecorded() {
                break Ended::Unrecorded;
            }
            if is_enough {
                break Ended::Enough;
            }
            if deadline.is_some_and(|deadline| started.elapsed() >= deadline) {
                break Ended::Deadline;
            }
        };
        let until = Instant::now() + Duration::from_secs(observation.settle);
        engine.step(&mut judged)?;
        while engine.unsettled() && Instant::now() < until {
            engine.readable().await?;
            engine.step(&mut judged)?;
            enough(&engine, &judged);
            printer.verdicts(&mut judged)?;
        }
        enough(&engine, &judged);
        printer.verdicts(&mut judged)?;
        let mut summary = Summary::of(&engine, findings, printer.end()?)?;
        summary.decide(minimum);
        let kept = engine.take_recorder().zip(path).map(|(recorder, path)| recording::keep(recorder, path, &summary));
        Ok((summary, ended, kept))
    })
}

/// The last thing that a command prints.
pub fn finish(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing to standard output")
}

/// Where the bus is, for agent and verifier.
#[derive(Args, Clone, Debug)]
pub struct Bus {
    /// Name of the cluster, in the names of streams and subjects.
    #[arg(long, env = "CLUSTER", default_value = "cluster")]
    pub cluster: String,
    /// NATS: tls://HOST:PORT, several separated by commas (nats:// is without encryption).
    #[arg(long, value_name = "URL", env = "BUS_URL")]
    pub bus_url: String,
    /// Certificates to trust, in PEM: of NATS, and for agents of the verifier.
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
}

impl Bus {
    pub fn address(&self) -> Address {
        Address { url: self.bus_url.clone(), ca: Some(self.ca.clone()) }
    }

    pub fn names(&self) -> Names {
        Names::new(&self.cluster)
    }
}

/// SIGINT or SIGTERM.
pub async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return tracing::error!("signals cannot be listened for");
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
