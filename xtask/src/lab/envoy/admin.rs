//! Envoy's admin interface, on a unix socket: no network traffic that an observer could mistake for something.

use std::collections::HashMap;
use std::io::{BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::client::response;

pub fn get(socket: &Path, path: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n")?;
    // By its framing: Envoy keeps the connection for another second.
    let mut stream = BufReader::new(stream);
    let (status, headers) = response::head(&mut stream)?.context("no answer")?;
    let (_, body) = response::body(&mut stream, &headers, true, usize::MAX)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    ensure!(status.starts_with("HTTP/1.1 200"), "{path}: {status}: {}", body.trim());
    Ok(body)
}

/// `name: value` lines.
pub(super) fn parse_stats(text: &str) -> HashMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(": ")).collect()
}

/// A name as it appears within a statistic's: colons would separate.
pub(super) fn stat_name(name: &str) -> String {
    name.replace(':', "_")
}
