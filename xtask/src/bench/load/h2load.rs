//! h2load: HTTP/2 with many streams on each connection.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Seen;
use crate::lab::Place;

pub const CONNECTIONS: u64 = 4;
pub const STREAMS: u64 = 100;
/// Different targets in turn: of more identical requests in flight than a departure may have candidates none is Verified.
const TARGETS: u64 = 500;

pub fn run(from: &Place, to: SocketAddr, grpc: bool, interval: Duration) -> Result<Seen> {
    let urls = std::env::temp_dir().join(format!("waypoint-verify-urls-{}", std::process::id()));
    let lines: String = (0..TARGETS).map(|number| format!("http://{to}/{number}\n")).collect();
    std::fs::write(&urls, lines)?;
    let mut command = from.command("h2load")?;
    command.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-m", &STREAMS.to_string()]);
    command.args(["-D", &interval.as_secs().to_string()]);
    if grpc {
        command.args(["-H", ":method: POST", "-H", "content-type: application/grpc", "-H", "te: trailers"]);
    }
    let output = command.arg("-i").arg(&urls).output().context("h2load");
    let _ = std::fs::remove_file(urls);
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).with_context(|| format!("h2load said:\n{text}"))
}

fn read(text: &str) -> Result<Seen> {
    let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
    let requests = line("requests: ").context("no requests")?;
    let number = |name: &str| -> Result<u64> {
        let field = requests.split(", ").find_map(|field| field.strip_suffix(name));
        Ok(field.with_context(|| format!("no{name}"))?.parse()?)
    };
    let seen = number(" succeeded")?;
    ensure!(number(" failed")? == 0 && number(" errored")? == 0 && number(" timeout")? == 0, "not all were answered");
    let rate = line("finished in ").and_then(|rest| rest.split(", ").nth(1)?.strip_suffix(" req/s"));
    Ok(Seen { requests: seen, per_second: rate.context("no rate")?.parse()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_says_is_read() {
        let text = "finished in 4.00s, 10000.25 req/s, 1.5MB/s\n\
                    requests: 40001 total, 40401 started, 40001 done, 40001 succeeded, 0 failed, 0 errored, 0 timeout\n";
        let seen = read(text).unwrap();
        assert_eq!((seen.requests, seen.per_second), (40_001, 10_000.25));
        assert!(read(&text.replace("0 failed", "1 failed")).is_err());
    }
}
