//! Sends witnesses of declared paths while the gate observes, and tells what came of each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use http::{Request, Uri, header};
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::declared::Lines;
use crate::cli::send;
use crate::engine::random_key;
use crate::judge::Judged;
use crate::report::Outcome;
use crate::report::outcome::probed;
use crate::routes::Analysis;
use crate::routes::probing::{Order, Probe, Probing, Seen, Sent, nonce_of, plan};
use crate::verifier::canary::Sent as Came;

/// After the last answer, how long verdicts are waited for.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, ClapArgs)]
pub struct Witnesses {
    /// With --declared: send the witness of every declared path past the waypoint, and expect each to be caught. They are real requests,
    /// from this process, and count as such. Only GET, and only where an address is known (--probe-at).
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
    pub fn is_wanted(&self) -> bool {
        self.probe_witnesses
    }

    /// What is to be sent; sending begins with the first call of [`Probes::step`].
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
        Ok(Some(Probes { probes, seen: Seen::default(), answers: None, over: None }))
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
    /// Takes what was judged, and says whether nothing more is to be waited for. Within a runtime.
    pub fn step(&mut self, judged: &[Judged]) -> bool {
        let orders = || self.probes.iter().filter_map(|probe| probe.orders.as_ref().ok()).flatten();
        let answers = self.answers.get_or_insert_with(|| {
            let (told, answers) = mpsc::unbounded_channel();
            tokio::spawn(send_all(orders().cloned().collect(), told));
            answers
        });
        loop {
            match answers.try_recv() {
                Ok((nonce, sent)) => drop(self.seen.sent.insert(nonce, sent)),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.over.get_or_insert_with(Instant::now);
                    break;
                }
            }
        }
        for one in judged {
            if let Some(nonce) = one.explanation.as_deref().and_then(|explanation| nonce_of(&explanation.request)) {
                self.seen.judged(&one.policy, nonce, &one.verdict);
            }
        }
        self.over.is_some_and(|over| over.elapsed() >= GRACE || self.seen.is_all(&self.probes))
    }

    /// Whether one was answered as if it had come past the waypoint, and was not caught.
    pub fn is_missed(&self) -> bool {
        self.probes.iter().any(|probe| self.seen.of(probe).is_missed())
    }

    /// One JSON object a line, of type `probed`.
    pub fn lines(&self) -> String {
        let line = |probe: &Probe| {
            let hops: Vec<_> = probe.path.hops.iter().map(|hop| format!("{} {}", hop.object, hop.what)).collect();
            json!({"type": "probed", "policy": probe.policy, "path": hops, "probed": self.seen.of(probe)}).to_string()
                + "\n"
        };
        self.probes.iter().map(line).collect()
    }

    /// What came of each, in the outcome and in words.
    pub fn tell(&self, outcome: &mut Outcome) -> String {
        let lines = Lines::default();
        let mut text = String::new();
        for probe in &self.probes {
            let finding = probed(&probe.path, &self.seen.of(probe), &|hop| lines.locate(hop));
            let _ = write!(text, "\n{}: {finding}", probe.policy);
            outcome.add(&probe.policy, [finding]);
        }
        text
    }
}

/// One after the other, each over a connection of its own.
async fn send_all(orders: Vec<Order>, told: mpsc::UnboundedSender<(String, Sent)>) {
    for order in orders {
        let sent = match one(&order).await {
            Ok(Came::Answered(status)) => Sent::Answered(status),
            Ok(Came::NotConnected(why) | Came::Broken(why)) => Sent::Failed(why),
            Err(error) => Sent::Failed(format!("{error:#}")),
        };
        if told.send((order.nonce, sent)).is_err() {
            return;
        }
    }
}

async fn one(order: &Order) -> anyhow::Result<Came> {
    let url: Uri = order.url.parse().with_context(|| format!("{}: not an address", order.url))?;
    let address = url.authority().with_context(|| format!("{}: no address", order.url))?.clone();
    let host = if order.host.is_empty() { address.as_str() } else { &order.host };
    let request = Request::builder()
        .method(order.method.as_str())
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, host)
        .header(header::USER_AGENT, send::AGENT);
    let request = order.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    Ok(send::send(&address, request.body(send::nothing())?).await)
}
