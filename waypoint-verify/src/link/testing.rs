//! Fixtures: requests in a few words, the guards of the measured proxies, and a linker with a clock.

mod matching;
mod proxies;
mod scene;

use crate::link::{Facts, Hasher};
use crate::model::{Appends, ForwardedFor, Guards, Head, HeadBuilder, Touch, Version};
pub use matching::matching;
pub use proxies::{Caddy, Envoy, Via, envoy_retry};
pub use scene::Scene;

pub fn hasher() -> Hasher {
    Hasher::new((7, 11))
}

/// A request in words: `request("GET /a").host("h").with("accept", "*/*")`.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub authority: Vec<u8>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub http2: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        write!(f, "{} {} at {:?}", text(&self.method), text(&self.target), text(&self.authority))?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " | {}: {:?}", text(name), text(value)))
    }
}

pub fn request(line: &str) -> Request {
    let (method, target) = line.split_once(' ').expect("method and target");
    Request {
        method: method.into(),
        target: target.into(),
        authority: b"hello".to_vec(),
        fields: Vec::new(),
        http2: false,
    }
}

impl Request {
    /// The same in HTTP/2.
    pub fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    pub fn host(mut self, authority: &str) -> Self {
        self.authority = authority.into();
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// As Envoy sends it on for a client at `peer`.
    pub fn from(self, peer: &str) -> Self {
        Envoy::default().forward(&self, peer.parse().expect("address"))
    }

    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| &v[..])
    }

    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    }

    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.fields.push((name.into(), value.into()));
    }

    pub fn head(&self) -> Head {
        let version = if self.http2 { Version::Http2 } else { Version::Http11 };
        let mut head = HeadBuilder::new(version, &self.method, &self.target, 256).expect("small");
        if !self.http2 {
            head.field(b"Host", &self.authority).expect("small");
        }
        head.authority(&self.authority).expect("small");
        for (name, value) in &self.fields {
            head.field(name, value).expect("small");
        }
        head.build()
    }

    pub fn facts(&self) -> Facts {
        Facts::of(&self.head(), &hasher())
    }
}

/// An Envoy with Cilium's settings and no route that touches anything; one of its own addresses is 10.244.1.250.
pub fn gateway() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Appends(Appends::Envoy),
        method: Some(Default::default()),
        path: Some(Default::default()),
        authority: Some(Default::default()),
        end_to_end_headers: true,
        body: true,
        trace: true,
        own_addresses: [OWN.parse().expect("address")].into(),
        ..Guards::default()
    }
}

pub const OWN: &str = "10.244.1.250";

/// A Caddy of which the policy declares what it keeps.
pub fn waypoint() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Replaces,
        method: Some(Default::default()),
        path: Some(Default::default()),
        authority: Some(Default::default()),
        body: true,
        ..Guards::default()
    }
}

/// Fluent changes of guards.
pub trait GuardsExt {
    fn touching(self, header: &str, touch: Touch) -> Self;
    fn rewriting_path(self, touch: Touch) -> Self;
    fn rewriting_authority(self, touch: Touch) -> Self;
    fn correlated_by(self, header: &str) -> Self;
    fn mirroring(self) -> Self;
}

impl GuardsExt for Guards {
    fn touching(mut self, header: &str, touch: Touch) -> Self {
        self.headers.touches.entry(header.to_owned()).or_default().insert(touch);
        self
    }

    fn rewriting_path(mut self, touch: Touch) -> Self {
        self.path.get_or_insert_default().insert(touch);
        self
    }

    fn rewriting_authority(mut self, touch: Touch) -> Self {
        self.authority.get_or_insert_default().insert(touch);
        self
    }

    fn correlated_by(mut self, header: &str) -> Self {
        self.trace |= header == "traceparent";
        self.correlation.insert(header.to_owned());
        self
    }

    fn mirroring(mut self) -> Self {
        self.mirrors = true;
        self
    }
}

pub fn set(value: &str) -> Touch {
    Touch::Set(value.to_owned())
}
