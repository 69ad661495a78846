//! What Envoy and Caddy make of a request, as functions (facts.md J).

use std::net::IpAddr;

use super::{OWN, Request};

/// What a route on an Envoy does beyond forwarding; what is here must be in the guards.
#[derive(Clone, Debug, Default)]
pub struct Envoy {
    pub prefix: Option<(String, String)>,
    pub path: Option<String>,
    pub host: Option<String>,
    pub set: Vec<(String, String)>,
    pub add: Vec<(String, String)>,
    pub remove: Vec<String>,
    /// Number of the request, of which `x-request-id` is made.
    pub serial: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Caddy {
    /// It makes a `traceparent` for requests that have none.
    pub traces: bool,
    pub serial: u32,
}

pub trait Via {
    fn through(&self, request: &Request, peer: IpAddr) -> Request;
}

/// Known headers, of which Envoy makes one line.
const INLINE: [&str; 6] = ["accept", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "content-type", "te"];

const HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "x-envoy-retry-on",
];

fn listed(request: &Request) -> Vec<String> {
    let options = request.lines("connection").flat_map(|line| line.split(|b| *b == b','));
    options.map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase()).collect()
}

fn shown(peer: IpAddr) -> String {
    peer.to_canonical().to_string()
}

impl Envoy {
    pub fn forward(&self, request: &Request, peer: IpAddr) -> Request {
        let mut out = request.clone();
        let dropped = listed(request);
        let had_forwarded = request.lines("x-forwarded-for").next().is_some();
        for (name, value) in &mut out.fields {
            name.make_ascii_lowercase();
            *value = value.trim_ascii().to_vec();
        }
        for name in dropped.iter().map(String::as_str).chain(HOP) {
            out.remove(name);
        }
        for name in INLINE {
            let lines: Vec<&[u8]> = out.lines(name).filter(|line| !line.is_empty()).collect();
            if out.lines(name).count() > 1 {
                let joined = lines.join(&b","[..]);
                out.set(name, joined);
            }
        }
        let address = if peer.to_canonical().is_loopback() { OWN.to_owned() } else { shown(peer) };
        let before: Vec<u8> = out.lines("x-forwarded-for").collect::<Vec<_>>().join(&b","[..]);
        let forwarded =
            if before.is_empty() { address.into_bytes() } else { [&before, &b","[..], address.as_bytes()].concat() };
        out.set("x-forwarded-for", forwarded);
        out.set("x-forwarded-proto", "http");
        out.set("x-envoy-internal", "true");
        if had_forwarded || out.lines("x-request-id").next().is_none() {
            out.set("x-request-id", format!("made-by-envoy-{}", self.serial));
        }
        self.route(&mut out);
        out
    }

    fn route(&self, out: &mut Request) {
        if let Some((from, to)) = &self.prefix
            && let Some(rest) = out.target.strip_prefix(from.as_bytes())
        {
            out.target = [to.as_bytes(), rest].concat();
        }
        if let Some(path) = &self.path {
            let query = out.target.iter().position(|b| *b == b'?').map_or(&[][..], |at| &out.target[at..]);
            out.target = [path.as_bytes(), query].concat();
        }
        if let Some(host) = &self.host {
            out.authority = host.clone().into_bytes();
        }
        for (name, value) in &self.set {
            out.set(name, value.as_bytes());
        }
        for (name, value) in &self.add {
            out.fields.push((name.clone().into_bytes(), value.clone().into_bytes()));
        }
        for name in &self.remove {
            out.remove(name);
        }
    }

    /// The mirrored copy of what [`Envoy::forward`] made.
    pub fn copy(&self, forwarded: &Request) -> Request {
        let mut out = forwarded.clone();
        let authority = String::from_utf8_lossy(&out.authority).into_owned();
        out.authority = match authority.rsplit_once(':') {
            Some((host, port)) => format!("{host}-shadow:{port}"),
            None => format!("{authority}-shadow"),
        }
        .into_bytes();
        let before: Vec<u8> = out.lines("x-forwarded-for").collect::<Vec<_>>().join(&b","[..]);
        out.set("x-forwarded-for", [&before, &b","[..], OWN.as_bytes()].concat());
        out
    }
}

/// A further attempt: the same head, and the number of it where Envoy counts.
pub fn envoy_retry(departure: &Request, attempt: u32) -> Request {
    let mut out = departure.clone();
    out.set("x-envoy-attempt-count", attempt.to_string());
    out
}

impl Via for Envoy {
    fn through(&self, request: &Request, peer: IpAddr) -> Request {
        self.forward(request, peer)
    }
}

impl Via for Caddy {
    fn through(&self, request: &Request, peer: IpAddr) -> Request {
        let mut out = request.clone();
        for name in listed(request).iter().map(String::as_str).chain([
            "connection",
            "keep-alive",
            "upgrade",
            "proxy-authorization",
        ]) {
            out.remove(name);
        }
        out.target = escaped(&out.target);
        out.set("x-forwarded-for", shown(peer));
        out.set("x-forwarded-proto", "http");
        let host = out.authority.clone();
        out.set("x-forwarded-host", host);
        if out.lines("accept-encoding").next().is_none() {
            out.set("accept-encoding", "gzip");
        }
        if self.traces && out.lines("traceparent").next().is_none() {
            out.set("traceparent", format!("00-{:032x}-00f067aa0ba902b7-01", 0xabc_0000u128 + u128::from(self.serial)));
        }
        for (name, value) in &mut out.fields {
            let mut start = true;
            for byte in name {
                if start {
                    byte.make_ascii_uppercase()
                } else {
                    byte.make_ascii_lowercase()
                }
                start = *byte == b'-';
            }
            *value = value.trim_ascii().to_vec();
        }
        out.fields.sort_by(|a, b| a.0.cmp(&b.0));
        out
    }
}

/// Go writes a path anew from its decoded form where an octet of it is not allowed; else it keeps it.
fn escaped(target: &[u8]) -> Vec<u8> {
    let at = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(at);
    let refused = |b: &u8| !b.is_ascii_graphic() || br#"\|"<>^{}`#"#.contains(b);
    let escape = |bytes: &[u8]| -> Vec<u8> {
        let one = |b: &u8| if refused(b) { format!("%{b:02X}").into_bytes() } else { vec![*b] };
        bytes.iter().flat_map(one).collect()
    };
    let path = match path.iter().any(refused) {
        true => escape(&crate::link::facts::decoded(path)),
        false => path.to_vec(),
    };
    [path, escape(query)].concat()
}
