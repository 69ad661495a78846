//! Sends witnesses of declared paths while the gate observes, and tells what came of each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::declared::Lines;
use crate::cli::{exit, send};
use crate::engine::random_key;
use crate::evidence::RequestLine;
use crate::model::{NamespacedName, Verdict};
use crate::nonce::Sent;
use crate::report::Told;
use crate::report::outcome::probed;
use crate::routes::Analysis;
use crate::routes::probing::{Order, Probe, Probed, Probing, Seen, nonce_of, plan};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);
/// After the last answer, how long verdicts are waited for.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, ClapArgs)]
pub struct Witnesses {
    /// With --declared: send the witness of every declared path past the waypoint, and expect each to be caught. They are real requests,
    /// from this process, and count as such. Only GET, and only where an address is known (--probe-at). In a cluster the token has to
    /// allow `get waypointpolicies/verdicts`.
    #[arg(long, requires = "declared")]
    probe_witnesses: bool,
    /// Send witnesses of every method.
    #[arg(long, requires = "probe_witnesses")]
    probe_any_method: bool,
    /// How likely one of the requests to a weighted path is to take it; it decides how many are sent.
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.99, value_parser = probability)]
    probe_confidence: f64,
    /// Where an address of declared paths really is (repeatable): '<address of Gateway front>:80=192.0.2.1:80'.
    #[arg(long, value_name = "ADDRESS=HOST:PORT", value_parser = place, requires = "probe_witnesses")]
    probe_at: Vec<(String, String)>,
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text}: a number is needed"))?;
    if number > 0.0 && number < 1.0 {
        Ok(number)
    } else {
        Err(format!("{text}: more than 0 and less than 1 is needed"))
    }
}

fn place(text: &str) -> Result<(String, String), String> {
    let (known, real) = text.split_once('=').ok_or_else(|| format!("{text}: ADDRESS=HOST:PORT is needed"))?;
    Ok((known.to_owned(), real.to_owned()))
}

impl Witnesses {
    /// What is to be sent; sending begins with the first call of [`Probes::is_over`].
    pub fn plan(&self, declared: &[Analysis]) -> anyhow::Result<Option<Probes>> {
        if !self.probe_witnesses {
            return Ok(None);
        }
        let mut declared = declared.to_vec();
        let paths = declared.iter_mut().flat_map(|analysis| &mut analysis.paths);
        for witness in paths.filter_map(|path| path.witness.as_mut()) {
            for (known, real) in &self.probe_at {
                let (from, to) = (format!("://{known}/"), format!("://{real}/"));
                if witness.url.contains(&from) {
                    witness.url = witness.url.replacen(&from, &to, 1);
                }
            }
        }
        let probing = Probing { any_method: self.probe_any_method, confidence: self.probe_confidence };
        let probes = plan(&declared, probing, random_key::<16>)?;
        let seen = Seen::new(&probes);
        Ok(Some(Probes { probes, seen, answers: None, over: None }))
    }
}

/// Probes under way.
#[derive(Debug)]
pub struct Probes {
    probes: Vec<Probe>,
    seen: Seen,
    answers: Option<mpsc::UnboundedReceiver<(String, Sent)>>,
    /// When the last answer came.
    over: Option<Instant>,
}

impl Probes {
    /// What was judged of some request.
    pub fn judged(&mut self, policy: &NamespacedName, request: &RequestLine, verdict: &Verdict) {
        if let Some(nonce) = nonce_of(request) {
            self.seen.judged(policy, nonce, verdict);
        }
    }

    /// Sends what is to be sent, and says whether nothing more is to be waited for. Within a runtime.
    pub fn is_over(&mut self) -> bool {
        let orders = || self.probes.iter().filter_map(|probe| probe.orders.as_ref().ok()).flatten();
        let answers = self.answers.get_or_insert_with(|| {
            let (told, answers) = mpsc::unbounded_channel();
            tokio::spawn(send_all(orders().cloned().collect(), told));
            answers
        });
        loop {
            match answers.try_recv() {
                Ok((nonce, sent)) => self.seen.sent(&nonce, sent),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.over.get_or_insert_with(Instant::now);
                    break;
                }
            }
        }
        self.over.is_some_and(|over| over.elapsed() >= GRACE || self.seen.is_all())
    }

    /// Adds what came of each; one that was answered as if it had come past the waypoint, and was not caught, keeps the gate from 0.
    pub fn tell(&self, told: &mut Told) {
        let (files, mut lines) = (Lines::default(), String::new());
        for probe in &self.probes {
            let came = self.seen.of(probe);
            let hops: Vec<_> = probe.path.hops.iter().map(|hop| format!("{} {}", hop.object, hop.what)).collect();
            let line = json!({"type": "probed", "policy": probe.policy, "path": hops, "probed": came});
            let _ = writeln!(lines, "{line}");
            let finding = probed(&probe.path, &came, &|hop| files.locate(hop));
            let _ = write!(told.text, "\n{}: {finding}", probe.policy);
            told.outcome.add(&probe.policy, [finding]);
            told.exit_code = match (told.exit_code, &came) {
                (exit::VERIFIED | exit::NOT_VERIFIABLE, Probed::Caught { .. }) => exit::BYPASSED,
                (exit::VERIFIED, came) if came.is_missed() => exit::NOT_VERIFIABLE,
                (code, _) => code,
            };
        }
        told.json.insert_str(0, &lines);
    }
}

/// One after the other, each over a connection of its own; slowly, because a verifier keeps only the newest verdicts for whoever asks.
async fn send_all(orders: Vec<Order>, told: mpsc::UnboundedSender<(String, Sent)>) {
    for order in orders {
        let host = Some(order.host.as_str()).filter(|host| !host.is_empty());
        let sent = send::send(&order.method, &order.url, host, &order.headers).await;
        let sent = sent.unwrap_or_else(|error| Sent::NotConnected(format!("{error:#}")));
        if told.send((order.nonce, sent)).is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
