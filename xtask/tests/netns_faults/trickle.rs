//! A client that sends requests on the demanded path, all the time, slowly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use anyhow::{Result, ensure};

use xtask::client::{Request, Script};
use xtask::demo::cluster::Stage;
use xtask::lab::place::Place;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(400);
pub const PATH: &str = "/compliant";

pub struct Trickle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Requests that were sent, or are about to be.
    sent: AtomicU64,
}

impl Trickle {
    pub fn start(stage: &Stage, client: &str) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (place, to) = (stage.lab.client(client)?, stage.lab.gateway("hello-gateway")?);
        let of_thread = Arc::clone(&shared);
        Ok(Self { shared, thread: Some(spawn(move || send(&of_thread, &place, to))) })
    }

    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Whether every request was answered: no fault of ours may reach the traffic.
    pub fn end(mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.take().expect("it ends once").join().expect("it does not panic")
    }
}

impl Drop for Trickle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

/// Each over a connection of its own: one that is older than an agent cannot be judged by it.
fn send(shared: &Shared, place: &Place, to: SocketAddr) -> Result<()> {
    while !shared.stop.load(Ordering::SeqCst) {
        // Before it is sent: a reader of the counts must not see a request that is not counted here.
        shared.sent.fetch_add(1, Ordering::SeqCst);
        let answers = place.run(&Script::keep_alive(to, [Request::get(PATH)]))?;
        ensure!(answers.len() == 1 && answers[0].status == 200, "{answers:?}");
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
