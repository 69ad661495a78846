//! Saturated keep-alive HTTP straight to a watched backend: pairs of an unobserved interval and one beside something.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::load::{self, Protocol, Seen};
use super::table::{Table, median};
use super::{Extent, proc};
use crate::demo::Verifier;
use crate::lab::{Lab, Place, Topology};

struct Stand {
    lab: Lab,
    client: Place,
    backend: SocketAddr,
    hop: SocketAddr,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Verifier,
    Tcpdump,
    Hop,
    /// The same again: what the machine's noise is.
    Nothing,
}

/// Of the intervals with the verifier.
#[derive(Debug, Default)]
struct Observed {
    cpu_per_100k: Vec<f64>,
    p99_ms: Vec<f64>,
    judged: u64,
    answered: u64,
}

pub fn http1(extent: Extent, table: &mut Table) -> Result<()> {
    measure(Protocol::Http1, &[Beside::Verifier, Beside::Tcpdump, Beside::Hop, Beside::Nothing], extent, table)
}

pub fn http2(extent: Extent, table: &mut Table) -> Result<()> {
    measure(Protocol::Http2, &[Beside::Verifier, Beside::Nothing], extent, table)
}

pub fn grpc(extent: Extent, table: &mut Table) -> Result<()> {
    measure(Protocol::Grpc, &[Beside::Verifier, Beside::Nothing], extent, table)
}

fn measure(protocol: Protocol, all: &[Beside], extent: Extent, table: &mut Table) -> Result<()> {
    let lab = Lab::up(&Topology::standard())?;
    let address = |pod: &str| Ok::<_, anyhow::Error>(SocketAddr::new(lab.plan().pod(pod)?.ip(), load::PORT));
    let (backend, hop) = (address("hello-backend-1")?, address("client-3")?);
    // Not the lab's own backend: that one tells in headers what came in.
    let _caddies = [
        load::respond(&lab, &lab.container("hello-backend-1", "caddy")?)?,
        load::hop(&lab, &lab.client("client-3")?, backend)?,
    ];
    let stand = Stand { client: lab.client("client-1")?, lab, backend, hop, protocol };
    // Caddy's heap and the pages of everything settle.
    stand.load(backend, extent)?;

    let mut pairs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); all.len()];
    let mut observed = Observed::default();
    for round in 0..extent.rounds {
        for (beside, pairs) in all.iter().copied().zip(&mut pairs) {
            // Alternately, so that what drifts favours neither.
            let before = if round % 2 == 0 { Some(stand.load(backend, extent)?) } else { None };
            let with = stand.beside(beside, extent, &mut observed)?;
            let alone = before.map_or_else(|| stand.load(backend, extent), Ok)?;
            pairs.push((alone.per_second, with.per_second));
        }
        eprintln!("bench: {}rate, round {} of {}", protocol.prefix(), round + 1, extent.rounds);
    }
    stand.lab.down()?;

    let named = |what: &str| format!("{}{what}", protocol.prefix());
    for (beside, pairs) in all.iter().copied().zip(&pairs) {
        let ratios: Vec<f64> = pairs.iter().map(|(alone, with)| with / alone).collect();
        let with: Vec<f64> = pairs.iter().map(|(_, with)| *with).collect();
        let spread = |by: fn(f64, f64) -> f64| ratios.iter().copied().reduce(by).unwrap_or(0.0);
        let value = format!(
            "{:.3} ({:.3} to {:.3}; {:.0} requests/s)",
            median(&ratios),
            spread(f64::min),
            spread(f64::max),
            median(&with)
        );
        match beside {
            Beside::Verifier => {
                table.target(
                    &named("rate with `run` attached / unobserved"),
                    ">= 0.95",
                    value,
                    median(&ratios) >= 0.95,
                );
            }
            Beside::Tcpdump => table.fact(&named("the same with `tcpdump -w` instead"), value),
            Beside::Hop => table.fact(&named("the same with one more Caddy on the way instead"), value),
            Beside::Nothing => table.fact(&named("the same with nothing (noise)"), value),
        }
    }
    let Observed { cpu_per_100k, p99_ms, judged, answered } = observed;
    let value = format!("{judged} of {answered}, and what the client left in flight; 0 unverified, 0 records lost");
    table.target(&named("requests judged"), "every one", value, true);
    let cpu = median(&cpu_per_100k);
    table.target(&named("CPU of the program per 100,000 requests"), "<= 0.5 s", format!("{cpu:.2} s"), cpu <= 0.5);
    let p99 = p99_ms.iter().copied().fold(0.0, f64::max);
    table.target(
        &named("arrival to verdict, p99 of the worst interval"),
        "< 100 ms",
        format!("{p99:.1} ms"),
        p99 < 100.0,
    );
    Ok(())
}

impl Stand {
    fn load(&self, to: SocketAddr, extent: Extent) -> Result<Seen> {
        self.protocol.run(&self.client, to, extent.interval)
    }

    fn beside(&self, beside: Beside, extent: Extent, observed: &mut Observed) -> Result<Seen> {
        match beside {
            Beside::Nothing => self.load(self.backend, extent),
            Beside::Hop => self.load(self.hop, extent),
            Beside::Tcpdump => self.captured(extent),
            Beside::Verifier => self.observed(extent, observed),
        }
    }

    fn observed(&self, extent: Extent, observed: &mut Observed) -> Result<Seen> {
        let verifier = Verifier::run(&self.lab, &["--quiet"])?;
        let before = proc::cpu(verifier.pid())?;
        let seen = self.load(self.backend, extent)?;
        let used = proc::cpu(verifier.pid())? - before;
        let ended = verifier.end()?;
        // Connections of the loads before this one (and of the hop) that are still being closed are found, and told as older.
        let older = ended.counts.unverified.get("predatesAgent").copied().unwrap_or(0);
        ensure!(older <= 4 * self.protocol.connections(), "{older} connections are older than the verifier");
        let judged = ended.counts.requests - older;
        // The client ends with requests on the way that it never counts.
        ensure!(
            (seen.requests..=seen.requests + self.protocol.in_flight()).contains(&judged),
            "{judged} requests were judged, the client counted {}",
            seen.requests
        );
        ensure!(ended.counts.bypassed.get("DirectConnection") == Some(&judged), "other verdicts: {:?}", ended.counts);
        let lost = &ended.summary["counters"]["lostRecords"];
        ensure!(lost.as_u64() == Some(0), "records were lost: {lost}");
        observed.cpu_per_100k.push(used.as_secs_f64() * 1e5 / seen.requests as f64);
        observed.p99_ms.push(ended.summary["timeToVerdict"]["p99Ms"].as_f64().context("no timeToVerdict")?);
        observed.judged += judged;
        observed.answered += seen.requests;
        Ok(seen)
    }

    fn captured(&self, extent: Extent) -> Result<Seen> {
        let file = self.lab.state_dir().join("capture.pcap");
        let backend = self.lab.container("hello-backend-1", "caddy")?;
        let mut command = backend.command("tcpdump")?;
        command.args(["-i", "any", "-Z", "root", "-w"]).arg(&file);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("piped")?).lines();
        if !lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on")) {
            bail!("tcpdump does not listen");
        }
        let seen = self.load(self.backend, extent);
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
        child.wait()?;
        std::fs::remove_file(&file)?;
        seen
    }
}
