//! Memory of the program while 10,000 connections are open and used.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::table::Table;
use super::{Extent, load, proc};
use crate::demo::Verifier;
use crate::lab::{Lab, Topology, patience};

const OPEN: u64 = 10_000;
const TARGET_MIB: f64 = 64.0;

pub fn measure(extent: Extent, table: &mut Table) -> Result<()> {
    let lab = Lab::up(&Topology::standard())?;
    let caddy = load::respond(&lab, &lab.container("hello-backend-1", "caddy")?)?;
    let to = SocketAddr::new(lab.plan().pod("hello-backend-1")?.ip(), load::PORT);
    let verifier = Verifier::run(&lab, &["--quiet"])?;
    let pid = verifier.pid();
    let (empty, _) = proc::memory(pid)?;
    let at_rest = proc::sockets(caddy.pid())?;
    let wrk = load::start(&lab.client("client-1")?, to, OPEN, extent.interval.max(Duration::from_secs(4)) * 2)?;
    patience::wait("10,000 open connections", || Ok((proc::sockets(caddy.pid())? >= at_rest + OPEN).then_some(())))?;
    let (open, _) = proc::memory(pid)?;
    let seen = wrk.finish()?;
    let (_, highest) = proc::memory(pid)?;
    let ended = verifier.end()?;
    drop(caddy);
    lab.down()?;

    let judged = ended.counts.requests;
    ensure!(judged >= seen.requests, "{judged} of {} requests were judged", seen.requests);
    ensure!(ended.counts.unverified.is_empty(), "unverified: {:?}", ended.counts.unverified);
    let mib = |kib: u64| kib as f64 / 1024.0;
    let value = format!(
        "{:.1} MiB highest, {:.1} when the last one opened, {:.1} before any; {judged} requests judged",
        mib(highest),
        mib(open),
        mib(empty)
    );
    table.target("resident memory, 10,000 open connections in use", "<= 64 MiB", value, mib(highest) <= TARGET_MIB);
    Ok(())
}
