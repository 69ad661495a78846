//! `xtask sink`: reads whatever body is sent to a unix socket, and says how long it was; or sends a large one itself
//! (`/download/length/N`, `/download/chunked/N`), or answers late (`/late/MILLISECONDS`); or echoes what comes after an upgrade to WebSocket: the messages of a client that
//! gives a key, any octets of one that does not. Caddy's `respond` does not read bodies, and closes a connection with a large
//! one; behind a unix socket nothing of this is network traffic.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Message, Role, WebSocket};

use super::response;

pub fn main(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || serve(stream));
    }
    Ok(())
}

pub(crate) fn serve(stream: impl Read + Write) -> Result<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    while let Some((line, headers)) = response::head(&mut reader)? {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect")) {
            reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some((_, key)) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")) {
            return echo(reader, key);
        }
        let upgrade = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
        if upgrade.is_some_and(|(_, protocol)| protocol.eq_ignore_ascii_case("websocket")) {
            return tunnel(reader);
        }
        let (length, _) = response::body(&mut reader, &headers, false, 0)?;
        if let Some(download) = Download::asked(&line) {
            download.send(reader.get_mut())?;
            continue;
        }
        if let Some(delay) = word_after("/late/", &line).and_then(|delay| delay.parse().ok()) {
            std::thread::sleep(Duration::from_millis(delay));
        }
        let body = format!("received {length}\n");
        reader
            .get_mut()
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}

/// Gives back whatever comes until the peer has no more. Nobody here looks into frames.
fn tunnel(mut reader: BufReader<impl Read + Write>) -> Result<()> {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    reader.get_mut().write_all(switch)?;
    loop {
        let octets = reader.fill_buf()?.to_owned();
        if octets.is_empty() {
            return Ok(());
        }
        reader.consume(octets.len());
        reader.get_mut().write_all(&octets)?;
    }
}

/// What came with the head is in the reader's buffer.
fn echo(mut reader: BufReader<impl Read + Write>, key: &str) -> Result<()> {
    let accept = derive_accept_key(key.as_bytes());
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    reader.get_mut().write_all(format!("{switch}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes())?;
    let early = reader.buffer().to_owned();
    let mut socket = WebSocket::from_partially_read(reader.into_inner(), early, Role::Server, None);
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message)?,
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// What follows this in the target: in its path, or in the query of another one.
fn word_after<'a>(what: &str, request_line: &'a str) -> Option<&'a str> {
    Some(request_line.split(' ').nth(1)?.split_once(what)?.1)
}

/// A body that is asked for by its length, and how it is framed.
#[derive(Debug, PartialEq, Eq)]
struct Download {
    octets: u64,
    chunked: bool,
}

impl Download {
    fn asked(request_line: &str) -> Option<Self> {
        let (framing, octets) = word_after("/download/", request_line)?.split_once('/')?;
        Some(Self { octets: octets.parse().ok()?, chunked: framing == "chunked" })
    }

    fn send(&self, to: &mut impl Write) -> std::io::Result<()> {
        // What looks like the end of a chunked body is part of the content.
        let block = b"0\r\n\r\n-".repeat(8 * 1024);
        let framing =
            if self.chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {}", self.octets) };
        to.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes())?;
        let mut left = self.octets;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            if self.chunked {
                to.write_all(format!("{now:x}\r\n").as_bytes())?;
            }
            to.write_all(&block[..now])?;
            if self.chunked {
                to.write_all(b"\r\n")?;
            }
            left -= now as u64;
        }
        if self.chunked { to.write_all(b"0\r\n\r\n") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_as_long_as_was_asked() {
        for framing in ["length", "chunked"] {
            let download = Download::asked(&format!("GET /download/{framing}/100000 HTTP/1.1")).unwrap();
            let mut sent = Vec::new();
            download.send(&mut sent).unwrap();
            assert_eq!(response::read(&mut sent.as_slice(), "GET").unwrap().body_bytes, 100_000);
        }
        assert_eq!(Download::asked("POST /upload HTTP/1.1"), None);
    }
}
