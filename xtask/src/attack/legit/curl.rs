//! curl, in the ways in which people and scripts use it.
//!
//! Verified, all of it: an aborted download was a whole request. Envoy refuses HTTP/1.0 (426), so that does not arrive.

use anyhow::{Context, Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};

pub const ATTACK: Attack = Attack {
    name: "legit-curl",
    source: "clients",
    about: "curl: methods, bodies, parallel, HTTP/2, ranges, aborted downloads",
    setting: Setting::Shared,
    play,
};

/// Name, how many requests, what is added to the target, options, and what curl says: statuses or its own exit code.
type Row = (&'static str, u64, &'static str, &'static [&'static str], &'static str);

const ROWS: &[Row] = &[
    ("get", 1, "", &[], "200"),
    ("head", 1, "", &["--head"], "200"),
    ("query", 1, "?a=1&b=%2f&c=x%20y", &[], "200"),
    ("post", 1, "?sink=1", &["--data", "a=1&b=2"], "200"),
    ("form", 1, "?sink=1", &["--form", "a=1", "--form", "file=@/etc/services"], "200"),
    ("chunked", 1, "?sink=1", &["--header", "Transfer-Encoding: chunked", "--data-binary", "@/etc/services"], "200"),
    ("expect", 1, "?sink=1", &["--header", "Expect: 100-continue", "--data", "abc"], "200"),
    ("put", 1, "?sink=1", &["--upload-file", "/etc/services"], "200"),
    ("slow-upload", 1, "?sink=1", &["--limit-rate", "16k", "--upload-file", "/etc/services"], "200"),
    ("range", 1, "", &["--range", "0-3", "--compressed"], "200"),
    ("cookies", 1, "", &["--cookie", "a=1; b=2", "--user", "u:p", "--referer", "http://x/"], "200"),
    ("failing", 1, "?status=503", &[], "503"),
    ("retry", 3, "?status=503", &["--retry", "2", "--retry-delay", "0", "--retry-max-time", "9"], "503"),
    ("aborted", 1, "?sink=/download/length/50000000", &["--limit-rate", "10k", "--max-time", "0.5"], "exit 28"),
    ("late", 1, "?sink=/late/900", &["--max-time", "0.3"], "exit 28"),
    ("http10", 0, "", &["--http1.0"], "426"),
    ("h2", 1, "", &["--http2-prior-knowledge"], "200"),
    ("h2-post", 1, "?sink=1", &["--http2-prior-knowledge", "--data-binary", "@/etc/services"], "200"),
    (
        "h2-aborted",
        1,
        "?sink=/download/length/50000000",
        &["--http2-prior-knowledge", "--limit-rate", "10k", "--max-time", "0.5"],
        "exit 28",
    ),
    // Envoy does not take this up; the request goes on without it.
    ("h2-upgrade", 1, "", &["--http2"], "200"),
];

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-5")?;
    let front = stage.lab.gateway("hello-gateway")?;
    for (name, count, query, options, expected) in ROWS {
        let path = if *count == 0 { stage.refused(name) } else { stage.legitimate(name, [("Verified", *count)]) };
        let url = format!("http://{front}{path}{query}");
        let mut command = client.command("curl")?;
        command.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20"]);
        let output = command.args(["--header", "Host: hello.example"]).args(*options).arg(url).output()?;
        let said = match output.status.code().context("curl was killed")? {
            0 => String::from_utf8_lossy(&output.stdout).into_owned(),
            code => format!("exit {code}"),
        };
        ensure!(said == *expected, "{name}: curl says {said}, not {expected}");
    }
    let path = stage.legitimate("parallel", [("Verified", 12u64)]);
    let urls = format!("http://{front}{path}/[1-12]");
    client
        .output("curl", &["--silent", "--fail", "--parallel", "--parallel-max", "4", "--output", "/dev/null", &urls])?;
    Ok(())
}
