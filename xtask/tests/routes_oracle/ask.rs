//! Sends requests over HTTP/1.1, octet by octet as they are written, and says where they went.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

use xtask::client::response;

use super::adapt::DRAW;
use super::echo::{self, Echo};
use super::model::{Answer, Request};
use super::tls;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Requests that were sent, whose mirrors may still be on their way.
#[derive(Debug)]
pub struct Sent {
    answer: Answer,
    /// Names of the single tries, and which arrival each one's answer is of.
    tries: Vec<(String, Option<u64>)>,
}

/// Asks one port over one connection, each request once for each draw.
pub fn ask(port: u16, requests: &[&Request], draws: u64) -> Result<Vec<Sent>> {
    let mut connection = None;
    let mut all = Vec::new();
    for request in requests {
        let mut sent = Sent { answer: Answer::default(), tries: Vec::new() };
        for draw in 0..draws {
            let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
            let Some(outcome) = once(port, &mut connection, request, draw, &id) else {
                sent.answer.closed = true;
                sent.tries.push((id, None));
                continue;
            };
            let arrival = outcome.header(echo::ARRIVAL).and_then(|number| number.parse().ok());
            if let Some(backend) = outcome.header(echo::BACKEND) {
                sent.answer.backends.insert(echo::parse(backend)?);
            } else if let Some(location) = outcome.header("location") {
                sent.answer.redirects.insert(location.to_owned());
            } else {
                sent.answer.own.insert(outcome.status);
            }
            sent.tries.push((id, arrival));
        }
        all.push(sent);
    }
    Ok(all)
}

impl Sent {
    /// With the mirrors, once all have arrived (`Echo::settle`).
    pub fn answer(mut self, echo: &Echo) -> Answer {
        for (id, arrival) in self.tries {
            let arrivals = echo.take(&id).into_iter();
            self.answer
                .mirrors
                .extend(arrivals.filter(|(number, _)| Some(*number) != arrival).map(|(_, backend)| backend));
        }
        self.answer
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// With the server name that it was opened for.
type Connection = (Option<String>, BufReader<Box<dyn Stream>>);

fn once(
    port: u16,
    connection: &mut Option<Connection>,
    request: &Request,
    draw: u64,
    id: &str,
) -> Option<xtask::client::Outcome> {
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, request.host);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("{}: {id}\r\n{DRAW}: {draw}\r\n\r\n", echo::ID));
    // A connection that Envoy has closed after an answer is found out by the next request.
    for _ in 0..2 {
        let mut stream = match connection.take() {
            Some((name, stream)) if name == request.tls => stream,
            _ => dial(port, request.tls.as_deref()).ok()?,
        };
        let written = stream.get_mut().write_all(text.as_bytes()).and_then(|()| stream.get_mut().flush());
        let Ok(outcome) = written.map_err(Into::into).and_then(|()| response::read(&mut stream, &request.method))
        else {
            continue;
        };
        if outcome.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            *connection = Some((request.tls.clone(), stream));
        }
        return Some(outcome);
    }
    None
}

fn dial(port: u16, name: Option<&str>) -> Result<BufReader<Box<dyn Stream>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(BufReader::new(match name {
        Some(name) => Box::new(tls::client(stream, name)?),
        None => Box::new(stream),
    }))
}
