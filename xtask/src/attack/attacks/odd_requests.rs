//! J. Requests that are right and odd: characters in a path that one proxy passes on and another one escapes, dot segments, empty segments,
//! authorities of every spelling, methods that nobody uses, many fields, names with underscores, Connection that names what
//! is compared; so that a proxy changes something that the verifier takes for unchanged, and it cries wolf.
//!
//! Verified: what a proxy changes by itself is no difference.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::SILENCE;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};

pub const ATTACK: Attack = Attack {
    name: "odd-requests",
    source: "J",
    about: "right and odd: paths that are escaped on the way, spellings, methods, fields that are dropped",
    setting: Setting::Shared,
    play,
};

/// Name, method, what follows the label in the target, Host, more fields.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("slashes", "GET", "//a///b/", "h", ""),
    ("dots", "GET", "/a/./b/../c/..", "h", ""),
    ("percent", "GET", "/%2f%2F%2e%2E%41%7e%25%00", "h", ""),
    ("escaped", "GET", "/a|b\\c\"d<e>f^g{h}i`j", "h", ""),
    ("reserved", "GET", "/;a=b,c;d!$&'()*+:@=~", "h", ""),
    ("query", "GET", "?a=b&&c=%zz|{\"x\"}&d=e?f/g;h", "h", ""),
    ("empty-query", "GET", "/?", "h", ""),
    ("host-case", "GET", "/", "HELLO.Example", ""),
    ("host-port", "GET", "/", "hello.example:80", ""),
    ("host-dot", "GET", "/", "hello.example.", ""),
    ("host-ipv6", "GET", "/", "[fd00::1]:8080", ""),
    ("put", "PUT", "/", "h", "Content-Length: 0\r\n"),
    ("delete", "DELETE", "/", "h", ""),
    ("options", "OPTIONS", "/", "h", ""),
    ("head", "HEAD", "/", "h", ""),
    ("trace", "TRACE", "/", "h", ""),
    ("purge", "PURGE", "/", "h", ""),
    ("report", "REPORT", "/", "h", ""),
    ("underscores", "GET", "/", "h", "X_Forwarded_For: 1.1.1.1\r\nx.dotted: 1\r\nX-MiXeD: 2\r\n"),
    ("spaces", "GET", "/", "h", "X-A: \t  b   c \t\r\nX-Empty:\r\nX-Tab:\td\r\n"),
    ("high-octets", "GET", "/", "h", "X-A: \u{e9}\u{20ac}\r\n"),
    ("doubled", "GET", "/", "h", "X-A: 1\r\nX-B: 2\r\nX-A: 3\r\nAccept: a\r\nAccept: b\r\n"),
    (
        "connection-names",
        "GET",
        "/",
        "h",
        "Cookie: a=1\r\nAccept: x\r\nX-A: 1\r\nConnection: cookie, accept, x-a, keep-alive\r\n",
    ),
    ("connection-spelt", "GET", "/", "h", "X-A: 1\r\nConnection: X-a ,, close\r\nTE: trailers, deflate\r\n"),
    (
        "hop-by-hop",
        "GET",
        "/",
        "h",
        "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nProxy-Authorization: Basic eA==\r\nTrailer: X-T\r\n",
    ),
    (
        "forwarded",
        "GET",
        "/",
        "h",
        "Forwarded: for=1.1.1.1\r\nX-Forwarded-Host: other\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 2.2.2.2\r\nVia: 1.0 x\r\n",
    ),
    ("agents", "GET", "/", "h", "User-Agent: a\r\nUser-Agent: b\r\nAccept-Encoding: br\r\nRange: bytes=0-1\r\n"),
];

fn play(stage: &mut Stage) -> Result<()> {
    let (front, client) = (stage.lab.gateway("hello-gateway")?, stage.lab.client("client-6")?);
    for (name, method, target, host, more) in ROWS {
        let path = stage.legitimate(name, [("Verified", 1)]);
        let octets = format!("{method} {path}{target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into_bytes();
        let steps = vec![Step::Octets(octets), Step::Drain { silence_ms: SILENCE }];
        let outcomes = client.run(&Script { connections: vec![Connection { to: front, from: None, steps }] })?;
        let outcome = outcomes.first().with_context(|| (*name).to_owned())?;
        let first = outcome.body.lines().next().unwrap_or_default().to_owned();
        stage.claim(&format!("{name} is answered: {first}"), first.starts_with("HTTP/1.1 2"));
    }
    Ok(())
}
