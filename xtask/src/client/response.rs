//! Reading HTTP/1.1 messages: as much of it as the lab's own programs need.

use std::io::{BufRead, Read as _};

use anyhow::{Context, Result, bail};

use super::script::Outcome;

/// How much of an answer's body a client reports.
const REPORTED: usize = 4096;

/// Reads an answer to `method`, interim ones passed over.
pub fn read(stream: &mut impl BufRead, method: &str) -> Result<Outcome> {
    loop {
        let (line, headers) = head(stream)?.context("the connection was closed instead of an answer")?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("not a status line: {line}"))?;
        let mut outcome = Outcome { status, headers, ..Outcome::default() };
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        if method != "HEAD" && status != 204 && status != 304 && status != 101 {
            let (bytes, kept) = body(stream, &outcome.headers, true, REPORTED)?;
            outcome.body_bytes = bytes;
            outcome.body = String::from_utf8_lossy(&kept).into_owned();
        }
        return Ok(outcome);
    }
}

pub type Head = (String, Vec<(String, String)>);

/// The first line and the headers; `None` at the end of the stream.
pub fn head(stream: &mut impl BufRead) -> Result<Option<Head>> {
    let first = line(stream)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            return Ok(Some((first, headers)));
        }
        let (name, value) = line.split_once(':').with_context(|| format!("not a header: {line}"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Consumes a body; returns its decoded length and its beginning, at most `keep` bytes. Without framing an answer goes on to the end
/// of the stream, and a request has no body.
pub fn body(
    stream: &mut impl BufRead,
    headers: &[(String, String)],
    is_answer: bool,
    keep: usize,
) -> Result<(u64, Vec<u8>)> {
    let header =
        |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let mut kept = Vec::new();
    let total = if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        chunks(stream, &mut kept, keep)?
    } else if let Some(length) = header("content-length") {
        exactly(stream, length.parse().context("content-length")?, &mut kept, keep)?
    } else if is_answer {
        exactly(stream, u64::MAX, &mut kept, keep)?
    } else {
        0
    };
    Ok((total, kept))
}

fn chunks(stream: &mut impl BufRead, kept: &mut Vec<u8>, keep: usize) -> Result<u64> {
    let mut total = 0;
    loop {
        let size = line(stream)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
            .with_context(|| format!("not a chunk: {size}"))?;
        total += exactly(stream, size, kept, keep)?;
        let end = line(stream)?;
        if size == 0 {
            return Ok(total);
        }
        if !end.is_empty() {
            bail!("a chunk does not end where it should");
        }
    }
}

fn exactly(stream: &mut impl BufRead, length: u64, kept: &mut Vec<u8>, keep: usize) -> Result<u64> {
    let mut limited = stream.take(length);
    let mut total = 0;
    loop {
        let piece = limited.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        let room = keep.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
        let used = piece.len();
        total += used as u64;
        limited.consume(used);
    }
    if total != length && length != u64::MAX {
        bail!("the body ended after {total} of {length} bytes");
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_to_their_ends_and_not_further() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi\
                    HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 204 Empty\r\n\r\n";
        let mut stream = text.as_bytes();
        let first = read(&mut stream, "GET").unwrap();
        assert_eq!((first.status, first.body.as_str(), first.header("x-a")), (200, "hi", Some("b")));
        let second = read(&mut stream, "GET").unwrap();
        assert_eq!((second.status, second.body.as_str(), second.body_bytes), (503, "abc", 3));
        assert_eq!(read(&mut stream, "GET").unwrap().status, 204);
        assert!(read(&mut stream, "GET").is_err());
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        assert!(read(&mut "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi".as_bytes(), "GET").is_err());
    }
}
