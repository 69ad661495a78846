//! Where responses end, read from all their octets with `httparse` and the rules of RFC 9112 section 6.3.

use httparse::{EMPTY_HEADER, Header, Status, parse_chunk_size, parse_headers};
use waypoint_verify::wire::Asked;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Of the final response, if its head can be read.
    pub status: Option<u16>,
    /// Offset after its last octet; none if that cannot be told from the octets.
    pub end: Option<u64>,
    /// Nothing is odd about it: a strict parser must be able to follow it.
    pub plain: bool,
}

enum Framing {
    Length(u64),
    Chunked,
    /// By the close of the connection, or not to be known.
    Unknown,
}

/// One for each of `asked`, as far as responses can be told apart.
pub fn exchanges(octets: &[u8], asked: &[Asked]) -> Vec<Exchange> {
    let mut found = Vec::new();
    let mut at = 0;
    for asked in asked {
        let exchange = exchange(octets, &mut at, *asked);
        found.push(exchange);
        if exchange.end.is_none() {
            break;
        }
    }
    found
}

fn exchange(octets: &[u8], at: &mut usize, asked: Asked) -> Exchange {
    let mut plain = true;
    loop {
        let mut headers = [EMPTY_HEADER; 300];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(Status::Complete(len)) = response.parse(&octets[*at..]) else { return Exchange::default() };
        let (Some(status), Some(minor)) = (response.code, response.version) else { return Exchange::default() };
        let head = &octets[*at..*at + len];
        plain &= is_plain(head) && response.headers.len() <= 32 && len <= 2048;
        *at += len;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let framing = match status {
            101 => Framing::Unknown,
            200..300 if asked == Asked::Connect => Framing::Unknown,
            204 | 304 => Framing::Length(0),
            _ if asked == Asked::Head => Framing::Length(0),
            _ => framing(response.headers, minor),
        };
        // What makes a strict parser give up even where no content follows.
        plain &= !matches!(self::framing(response.headers, minor), Framing::Unknown) || !framed(response.headers);
        let end = match framing {
            Framing::Length(length) => usize::try_from(length).ok().and_then(|length| at.checked_add(length)),
            Framing::Chunked => chunked(octets, *at, &mut plain),
            Framing::Unknown => None,
        };
        let end = end.filter(|end| *end <= octets.len());
        *at = end.unwrap_or(octets.len());
        return Exchange { status: Some(status), end: end.map(|end| end as u64), plain };
    }
}

/// CRLF only, printable ASCII only, no folding.
fn is_plain(head: &[u8]) -> bool {
    let text = head.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\r' | b'\n'));
    let lines = head.windows(2).all(|pair| (pair[0] == b'\r') == (pair[1] == b'\n'));
    let folded = head.windows(2).any(|pair| pair == b"\n ");
    text && lines && !folded && head.starts_with(b"HTTP/1.")
}

fn framed(headers: &[Header<'_>]) -> bool {
    headers.iter().any(|header| is(header, "content-length") || is(header, "transfer-encoding"))
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

fn framing(headers: &[Header<'_>], minor: u8) -> Framing {
    let all = |name| headers.iter().filter(move |header| is(header, name));
    let (lengths, codings) = (all("content-length").count(), all("transfer-encoding").count());
    match (lengths, codings) {
        (1, 0) => {
            let value = all("content-length").find_map(|header| std::str::from_utf8(header.value).ok());
            let digits = value.filter(|value| value.bytes().all(|octet| octet.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).map_or(Framing::Unknown, Framing::Length)
        }
        (0, 1) if minor == 1 => {
            let value = all("transfer-encoding").map(|header| header.value).next();
            let chunked = value.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
            if chunked { Framing::Chunked } else { Framing::Unknown }
        }
        _ => Framing::Unknown,
    }
}

fn chunked(octets: &[u8], mut at: usize, plain: &mut bool) -> Option<usize> {
    loop {
        let Ok(Status::Complete((len, size))) = parse_chunk_size(octets.get(at..)?) else { return None };
        let description = &octets[at..at + len];
        *plain &= len <= 64 && description.iter().all(|octet| matches!(octet, b'!'..=b'~' | b'\r' | b'\n'));
        at += len;
        if size == 0 {
            let mut headers = [EMPTY_HEADER; 300];
            let Ok(Status::Complete((len, fields))) = parse_headers(octets.get(at..)?, &mut headers) else {
                return None;
            };
            let raw = &octets[at..at + len];
            *plain &= !framed(fields) && fields.len() <= 32 && len <= 2048;
            *plain &= raw.windows(2).all(|pair| (pair[0] == b'\r') == (pair[1] == b'\n'));
            *plain &= raw.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\r' | b'\n'));
            return Some(at + len);
        }
        let data_end = at.checked_add(usize::try_from(size).ok()?)?;
        let end = data_end.checked_add(2)?;
        if octets.get(data_end..end)? != b"\r\n" {
            return None;
        }
        at = end;
    }
}
