//! Starts processes that end with this one, however it ends.
//!
//! The kernel can send a signal to a child when its parent dies, but its parent is the *thread* that forked it, and a test's thread ends
//! with the test. So all of them are forked by one thread that lasts as long as the process.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::lab::process::Process;

type Job = Box<dyn FnOnce() + Send>;

static KEEPER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("keeper".into())
        .spawn(move || jobs.into_iter().for_each(|job| job()))
        .expect("a thread can be started");
    sender
});

/// As `Process::start`; SIGKILL when this process ends.
pub fn start(name: &str, mut command: Command, logs: &Path) -> Result<Process> {
    // SAFETY: one system call; nothing is allocated.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
    let (name, logs) = (name.to_owned(), logs.to_owned());
    let (answer, started) = mpsc::channel();
    let job = move || {
        // Whoever asked waits for it below.
        let _ = answer.send(Process::start(&name, command, &logs));
    };
    KEEPER.send(Box::new(job)).ok().context("the thread that starts processes has ended")?;
    started.recv().context("the thread that starts processes has ended")?
}
