//! The words of the oracle: requests, and where they went.

use std::collections::BTreeSet;
use std::fmt;

/// A request at a port of the Service of a Gateway, of an Ingress, or of a mesh Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Namespace and name of the Service that is dialled.
    pub front: (String, String),
    pub port: u16,
    /// The server name that TLS asks for; plaintext where there is none.
    pub tls: Option<String>,
    pub method: String,
    /// The Host header.
    pub host: String,
    /// With its query.
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn get(front: (&str, &str), port: u16, host: &str, path: &str) -> Self {
        Self {
            front: (front.0.to_owned(), front.1.to_owned()),
            port,
            tls: None,
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn over_tls(mut self, name: &str) -> Self {
        self.tls = Some(name.to_owned());
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { front: (namespace, name), port, tls, method, host, path, headers } = self;
        write!(f, "{method} {host}{path} at {namespace}/{name}:{port}")?;
        tls.iter().try_for_each(|name| write!(f, " over TLS to {name}"))?;
        headers.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// A port of a Service that answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    pub namespace: String,
    pub service: String,
    pub port: u16,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.namespace, self.service, self.port)
    }
}

/// Everything that came of a request, sent often enough that each backend of a weighted route had its turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    pub backends: BTreeSet<Backend>,
    pub mirrors: BTreeSet<Backend>,
    /// Location of each redirect.
    pub redirects: BTreeSet<String>,
    /// Statuses that Envoy gave by itself.
    pub own: BTreeSet<u16>,
    /// The connection was closed without an answer: nobody is there for what the client speaks.
    pub closed: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.backends.iter().map(ToString::to_string).collect();
        words.extend(self.mirrors.iter().map(|backend| format!("mirror {backend}")));
        words.extend(self.redirects.iter().map(|location| format!("redirect {location}")));
        words.extend(self.own.iter().map(ToString::to_string));
        words.extend(self.closed.then(|| "closed".to_owned()));
        f.write_str(&words.join(", "))
    }
}

/// What is heard at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Answer(Answer),
    /// Envoy takes the configuration not at all; in a cluster it would keep the one before.
    Refused(String),
    /// No configuration has a listener there.
    Nothing,
}
