//! `waypoint-verify canary`: asks the verifier for canaries, sends them, and tells what came of sending. What a gate's Job runs.

mod send;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;

use super::exit;
use crate::verifier::api::CanaryRequest;
use crate::verifier::canary::Order;
use crate::web::Web;

/// Between two questions.
const ASK: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The WaypointPolicy, NAMESPACE/NAME.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    policy: String,
    /// What the gate calls this run.
    #[arg(long, value_name = "NAME")]
    run: String,
    /// Also send requests past the waypoint.
    #[arg(long)]
    self_attack: bool,
    /// Where the verifier answers: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    verifier_url: String,
    /// Certificates to trust at the verifier, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The projected ServiceAccount token of this pod, made for `waypoint-verify`.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Seconds to wait until the verifier sees everything.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

/// 0 if all of them were sent, or could not be. What was seen of them the gate says.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(all(args))?;
    Ok(exit::VERIFIED)
}

async fn all(args: &Args) -> anyhow::Result<()> {
    let Some((namespace, name)) = args.policy.split_once('/') else {
        bail!("--policy {}: NAMESPACE/NAME is needed", args.policy);
    };
    let base = format!("{}/v1/policies/{namespace}/{name}/canaries", args.verifier_url.trim_end_matches('/'));
    let token = std::fs::read_to_string(&args.token_file)
        .with_context(|| format!("--token-file {}", args.token_file.display()))?;
    let (web, orders) = orders(args, &base, &token).await?;
    for order in orders {
        let sent = send::send(&order).await?;
        println!("{:?} {} {}: {sent:?}", order.kind, order.method, order.url);
        let told = web.post(&format!("{base}/{}", order.id), Some(&token), serde_json::to_vec(&sent)?).await?;
        if !told.0.is_success() {
            bail!("the verifier does not take what came of it: {}: {}", told.0, text(&told.1));
        }
    }
    Ok(())
}

/// Waits until the verifier that judges sees everything, this pod too.
async fn orders(args: &Args, url: &str, token: &str) -> anyhow::Result<(Web, Vec<Order>)> {
    let body = serde_json::to_vec(&CanaryRequest { run: args.run.clone(), self_attack: args.self_attack })?;
    let start = Instant::now();
    loop {
        // A connection of its own each time: behind the Service is more than one verifier, and only one judges.
        let web = Web::new(Some(&args.ca))?;
        let why = match web.post(url, Some(token), body.clone()).await {
            Ok((status, body)) if status.is_success() => {
                let orders = serde_json::from_slice(&body).with_context(|| url.to_owned())?;
                return Ok((web, orders));
            }
            Ok((status, body)) if !matches!(status.as_u16(), 409 | 429 | 503) => bail!("{status}: {}", text(&body)),
            Ok((status, body)) => format!("{status}: {}", text(&body)),
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() >= Duration::from_secs(args.timeout) {
            bail!("no canaries within {} s: {why}", args.timeout);
        }
        eprintln!("waiting: {why}");
        tokio::time::sleep(ASK).await;
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().to_owned()
}
