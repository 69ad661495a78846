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
    /// Of the authority, without a port.
    pub host: String,
    /// Starts with `/`; without the query.
    pub path: String,
    /// `name=value` pairs, as they are written.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
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
        let headers = self.headers.iter().map(|(name, wanted)| value(wanted, request, request.header(name)));
        let query = self.query.iter().map(|(name, wanted)| {
            value(wanted, request, request.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()))
        });
        let rest = if self.unknown { Holds::Perhaps } else { Holds::Yes };
        headers.chain(query).fold(path.and(Holds::from(Some(method))).and(rest), Holds::and)
    }
}

/// `prefix` has no trailing slash: `/a` is of `/a` and `/a/b`, not of `/ab`.
fn under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn value(wanted: &ValueMatch, request: &Request, found: Option<&str>) -> Holds {
    match wanted {
        ValueMatch::Exact(exact) => Holds::from(Some(found == Some(exact.as_str()))),
        ValueMatch::Regex(pattern) => match found {
            Some(found) => Holds::from(pattern.matches(found)),
            None => Holds::No,
        },
        ValueMatch::Present => Holds::from(Some(found.is_some())),
        ValueMatch::NotForwardedProto(scheme) => {
            let by_connection = !request.scheme.eq_ignore_ascii_case(scheme);
            match found {
                Some(found) if found.eq_ignore_ascii_case(scheme) == by_connection => Holds::Perhaps,
                _ => Holds::from(Some(by_connection)),
            }
        }
    }
}
