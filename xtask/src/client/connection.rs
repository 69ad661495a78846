//! One connection of a script.

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};

use super::response;
use super::script::{Body, Connection, Outcome, Request, Step};
use super::{Line, Shared, say};

/// Nothing in the lab takes so long to answer; a slow body is many short waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long `Drain` waits for a first octet.
const FIRST: Duration = Duration::from_secs(5);

type Stream = BufReader<TcpStream>;

/// Goes through the steps. After an error the remaining requests of the connection fail too, each with an outcome.
pub(super) fn run(index: usize, connection: &Connection, shared: &Shared) {
    let mut stream: Option<Stream> = None;
    let mut number = 0;
    for step in &connection.steps {
        match step {
            Step::Meet => shared.meet(),
            Step::Wait(label) => {
                say(&Line::Waiting { connection: index, label: label.clone() });
                shared.wait_for(label);
            }
            Step::Close => stream = None,
            Step::Connect => {
                if let Err(error) = connected(&mut stream, connection) {
                    fail(index, &mut number, 1, &error);
                }
            }
            Step::Octets(octets) => {
                let sent =
                    connected(&mut stream, connection).and_then(|stream| Ok(stream.get_mut().write_all(octets)?));
                if let Err(error) = sent {
                    fail(index, &mut number, 1, &error);
                }
            }
            Step::Drain { silence_ms } => {
                let came = connected(&mut stream, connection).and_then(|stream| drain(stream, *silence_ms));
                report(index, &mut number, came, &mut stream);
            }
            Step::Shut => {
                if let Some(stream) = &stream {
                    // The peer may be gone already.
                    let _ = stream.get_ref().shutdown(Shutdown::Write);
                }
            }
            Step::Request(request) => {
                let answer = connected(&mut stream, connection).and_then(|stream| exchange(stream, request));
                report(index, &mut number, answer, &mut stream);
            }
            Step::Raw { pieces, answers } => {
                let sent = connected(&mut stream, connection).and_then(|stream| {
                    pieces.iter().try_for_each(|piece| Ok(stream.get_mut().write_all(piece.as_bytes())?))
                });
                match sent {
                    Err(error) => fail(index, &mut number, *answers, &error),
                    Ok(()) => {
                        for _ in 0..*answers {
                            let answer =
                                stream.as_mut().context("closed").and_then(|stream| response::read(stream, ""));
                            report(index, &mut number, answer, &mut stream);
                        }
                    }
                }
            }
        }
    }
}

fn connected<'a>(stream: &'a mut Option<Stream>, connection: &Connection) -> Result<&'a mut Stream> {
    if stream.is_none() {
        *stream = Some(BufReader::new(connect(connection)?));
    }
    Ok(stream.as_mut().expect("just made"))
}

fn connect(connection: &Connection) -> Result<TcpStream> {
    let family = if connection.to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd: OwnedFd = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    if let Some(from) = connection.from {
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0)))
            .with_context(|| format!("bind {from}"))?;
    }
    let stream = TcpStream::from(fd);
    // Also bounds connect(2).
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    socket::connect(stream.as_raw_fd(), &SockaddrStorage::from(connection.to))
        .with_context(|| format!("connect {}", connection.to))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A reset ends it as a FIN does: whoever sends odd octets has to expect one.
fn drain(stream: &mut Stream, silence_ms: u64) -> Result<Outcome> {
    stream.get_ref().set_read_timeout(Some(FIRST))?;
    let mut came = Vec::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(some) => {
                came.extend_from_slice(&block[..some]);
                stream.get_ref().set_read_timeout(Some(Duration::from_millis(silence_ms)))?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error.into()),
        }
    }
    stream.get_ref().set_read_timeout(Some(PATIENCE))?;
    came.truncate(64 * 1024);
    Ok(Outcome {
        body_bytes: came.len() as u64,
        body: String::from_utf8_lossy(&came).into_owned(),
        ..Outcome::default()
    })
}

fn exchange(stream: &mut Stream, request: &Request) -> Result<Outcome> {
    send(stream.get_mut(), request).context("send")?;
    response::read(stream, &request.method)
}

fn send(stream: &mut TcpStream, request: &Request) -> std::io::Result<()> {
    let mut head = request.head().into_bytes();
    match &request.body {
        Body::None => stream.write_all(&head),
        Body::Text(text) => {
            head.extend_from_slice(text.as_bytes());
            stream.write_all(&head)
        }
        Body::Zeros(bytes) => {
            stream.write_all(&head)?;
            let block = vec![0; 256 * 1024];
            let mut left = *bytes;
            while left > 0 {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
                stream.write_all(&block[..now])?;
                left -= now as u64;
            }
            Ok(())
        }
        Body::Chunks(chunks) => {
            stream.write_all(&head)?;
            for chunk in chunks {
                stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes())?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
    }
}

fn report(index: usize, number: &mut usize, answer: Result<Outcome>, stream: &mut Option<Stream>) {
    match answer {
        Err(error) => {
            *stream = None;
            fail(index, number, 1, &error);
        }
        Ok(mut outcome) => {
            outcome.connection = index;
            outcome.request = *number;
            outcome.local = stream.as_ref().and_then(|s| s.get_ref().local_addr().ok());
            *number += 1;
            let close = outcome.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            say(&Line::Outcome(outcome));
            if close {
                *stream = None;
            }
        }
    }
}

fn fail(index: usize, number: &mut usize, times: usize, error: &anyhow::Error) {
    for _ in 0..times {
        say(&Line::Outcome(Outcome {
            connection: index,
            request: *number,
            error: Some(format!("{error:#}")),
            ..Outcome::default()
        }));
        *number += 1;
    }
}
