//! A request as a route sees it, and whether a match holds for it.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

/// A request, as far as routes look at it. Header names are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// `http` or `https`: how the connection to the proxy speaks.
    pub scheme: String,
    /// The authority (`Host`), with its port where the client writes one.
    pub host: String,
    /// Starts with `/`; without the query.
    pub path: String,
    /// `name=value` pairs, as they are written.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Values of a header, line by line; `:authority` is one, too.
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let authority = (name == ":authority").then_some(self.host.as_str());
        let headers =
            self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        authority.into_iter().chain(headers)
    }

    /// Lower-case name of the authority, and whether a port follows it.
    pub fn name(&self) -> (String, bool) {
        let authority = self.host.to_ascii_lowercase();
        match authority.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => {
                (name.to_owned(), true)
            }
            _ => (authority, false),
        }
    }

    /// Path and query, as on a request line.
    pub fn target(&self) -> String {
        let mut target = self.path.clone();
        for (at, (name, value)) in self.query.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.push_str(value);
        }
        target
    }
}

/// A regular expression in the syntax of RE2, which has to match the whole of a value.
pub struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), compiled: OnceLock::new() }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `None`: it is no regular expression; then nobody knows what a proxy makes of it.
    pub fn matches(&self, value: &str) -> Option<bool> {
        let compiled = self.compiled.get_or_init(|| Regex::new(&format!(r"\A(?:{})\z", self.text)).ok());
        compiled.as_ref().map(|regex| regex.is_match(value))
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    Exact(String),
    /// By whole elements, without a trailing slash; empty: every path.
    Prefix(String),
    /// By octets, as an Ingress of type ImplementationSpecific or Envoy's `prefix` has it.
    StringPrefix(String),
    Regex(Pattern),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    Exact(String),
    Regex(Pattern),
    Present,
    /// The header says that the client spoke otherwise than by this scheme. With `use_remote_address` and no trusted hops,
    /// as Cilium configures Envoy unless told otherwise, Envoy itself writes what the connection speaks over what a client
    /// sent; with trusted hops the client may choose.
    NotForwardedProto(String),
}

/// Whether a match holds; `Perhaps` where something of it is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Yes,
    Perhaps,
    No,
}

impl Holds {
    fn from(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Perhaps,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Perhaps,
        }
    }
}

/// What a rule asks of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    pub path: PathMatch,
    pub method: Option<String>,
    pub headers: Vec<(String, ValueMatch)>,
    pub query: Vec<(String, ValueMatch)>,
    /// It asks for something more that is not understood.
    pub unknown: bool,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            path: PathMatch::Prefix(String::new()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            unknown: false,
        }
    }
}

impl Matcher {
    pub fn holds(&self, request: &Request) -> Holds {
        let path = match &self.path {
            PathMatch::Exact(path) => Holds::from(Some(*path == request.path)),
            PathMatch::Prefix(prefix) => Holds::from(Some(under(&request.path, prefix))),
            PathMatch::StringPrefix(prefix) => Holds::from(Some(request.path.starts_with(prefix))),
            PathMatch::Regex(pattern) => Holds::from(pattern.matches(&request.path)),
        };
        let method = self.method.as_ref().is_none_or(|method| *method == request.method);
        let headers = self.headers.iter().map(|(name, wanted)| header(wanted, request, name));
        let query = self.query.iter().map(|(name, wanted)| {
            // Of several of one name the first counts (Envoy's `getFirstValue`).
            value(wanted, request.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()))
        });
        let rest = if self.unknown { Holds::Perhaps } else { Holds::Yes };
        headers.chain(query).fold(path.and(Holds::from(Some(method))).and(rest), Holds::and)
    }
}

/// `prefix` has no trailing slash: `/a` is of `/a` and `/a/b`, not of `/ab`.
fn under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Of a header with several lines Envoy 1.40 takes any line that matches (seen); others join them with commas (RFC 9110 5.3).
fn header(wanted: &ValueMatch, request: &Request, name: &str) -> Holds {
    let lines: Vec<_> = request.lines(name).collect();
    if let ValueMatch::NotForwardedProto(scheme) = wanted {
        let by_connection = !request.scheme.eq_ignore_ascii_case(scheme);
        let said = lines.iter().any(|line| line.eq_ignore_ascii_case(scheme) == by_connection);
        return if said { Holds::Perhaps } else { Holds::from(Some(by_connection)) };
    }
    if lines.len() < 2 {
        return value(wanted, lines.first().copied());
    }
    let each: Vec<_> =
        lines.iter().map(|line| value(wanted, Some(line))).chain([value(wanted, Some(&lines.join(",")))]).collect();
    match (each.contains(&Holds::No), each.iter().all(|holds| *holds == Holds::No)) {
        (_, true) => Holds::No,
        (true, false) => Holds::Perhaps,
        (false, false) => each.into_iter().fold(Holds::Yes, Holds::and),
    }
}

fn value(wanted: &ValueMatch, found: Option<&str>) -> Holds {
    match wanted {
        ValueMatch::Exact(exact) => Holds::from(Some(found == Some(exact.as_str()))),
        ValueMatch::Regex(pattern) => match found {
            Some(found) => Holds::from(pattern.matches(found)),
            None => Holds::No,
        },
        ValueMatch::Present => Holds::from(Some(found.is_some())),
        // Only headers say how a client spoke.
        ValueMatch::NotForwardedProto(_) => Holds::Perhaps,
    }
}
