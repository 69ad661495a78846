//! What routes, filters and configurations can do to the requests that one Envoy forwards.
//!
//! Starts from what Envoy does by itself, with Cilium's settings; everything that is read can only take guards away.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::Problem;
use crate::model::{Appends, ForwardedFor, Guards, HeaderGuard, Touch};

/// Headers that a verdict rests on: a route that touches one destroys evidence.
const EVIDENCE: [&str; 2] = ["x-forwarded-for", "traceparent"];

#[derive(Clone, Debug)]
pub struct Effects {
    pub guards: Guards,
    pub problems: Vec<Problem>,
}

impl Effects {
    pub fn none() -> Self {
        // The gRPC-Web filter, part of every Gateway of Cilium, rewrites these (and the body) of gRPC-Web requests.
        let grpc_web = [
            ("content-type", vec![Touch::Prefix("application/grpc".into())]),
            ("grpc-accept-encoding", vec![Touch::Unknown]),
            // Envoy may shorten it to the route's own timeout.
            ("grpc-timeout", vec![Touch::Unknown]),
        ];
        let touches: BTreeMap<_, BTreeSet<_>> =
            grpc_web.into_iter().map(|(name, touches)| (name.to_owned(), touches.into_iter().collect())).collect();
        let guards = Guards {
            forwarded_for: ForwardedFor::Appends(Appends::Envoy),
            headers: HeaderGuard { touches, any: false },
            method: Some(BTreeSet::new()),
            path: Some(BTreeSet::new()),
            authority: Some(BTreeSet::new()),
            end_to_end_headers: true,
            body: true,
            trace: true,
            correlation: BTreeSet::new(),
            mirrors: false,
            makes_up: false,
            own_addresses: BTreeSet::new(),
        };
        Self { guards, problems: Vec::new() }
    }

    /// Something touches this header, or pseudo-header field. `place` is a finding that names where, its text aside.
    pub fn header(&mut self, place: &Problem, name: &str, touch: Touch) {
        let name = name.trim().to_ascii_lowercase();
        if EVIDENCE.contains(&name.as_str()) {
            let how = match &touch {
                Touch::Set(value) => format!("sets {name} to {value:?}"),
                Touch::Add(value) => format!("adds {value:?} to {name}"),
                Touch::Remove => format!("removes {name}"),
                Touch::Prefix(_) | Touch::Unknown => format!("changes {name}"),
            };
            self.say(
                place,
                format!("destroys evidence: {how} on the Envoy that serves every Gateway"),
                "remove this filter: requests that it could have made cannot be verified",
            );
        }
        let constant_as_path = |touch: Touch| match touch {
            Touch::Set(value) => Touch::Prefix(value),
            other => other,
        };
        match name.as_str() {
            "host" | ":authority" => self.authority(touch.clone()),
            ":path" => self.path(constant_as_path(touch.clone())),
            ":method" => self.method(touch.clone()),
            _ => {}
        }
        self.guards.headers.touches.entry(name).or_default().insert(touch);
    }

    pub fn path(&mut self, touch: Touch) {
        self.guards.path.get_or_insert_default().insert(touch);
    }

    pub fn authority(&mut self, touch: Touch) {
        self.guards.authority.get_or_insert_default().insert(touch);
    }

    pub fn method(&mut self, touch: Touch) {
        self.guards.method.get_or_insert_default().insert(touch);
    }

    pub fn mirrors(&mut self) {
        self.guards.mirrors = true;
    }

    /// Addresses in `x-forwarded-for` are not what Envoy appends by itself.
    pub fn forwarded_for(&mut self, place: &Problem, why: impl Into<String>) {
        self.guards.forwarded_for = ForwardedFor::Unknown;
        let why = why.into();
        self.say(
            place,
            format!("destroys evidence: {why}, so x-forwarded-for cannot be relied on in any Gateway of this Envoy"),
            "remove it, or expect Unverified where nothing else tells requests apart",
        );
    }

    /// What departs may be of Envoy's own making.
    pub fn makes_up(&mut self, place: &Problem, why: impl Into<String>) {
        self.guards.makes_up = true;
        let why = why.into();
        self.say(
            place,
            format!("destroys evidence: {why}, so no request of any Gateway of this Envoy is known to be a client's"),
            "remove it, or expect Unverified",
        );
    }

    /// A sender's own octets depart, `x-forwarded-for` and all, and before it can be told what they are.
    pub fn octets(&mut self, place: &Problem, why: impl Into<String>) {
        self.guards.forwarded_for = ForwardedFor::Unknown;
        self.makes_up(place, why);
    }

    /// Nothing that this Envoy passes on can be relied on, nor that it sends nothing else.
    pub fn anything(&mut self, place: &Problem, why: impl Into<String>) {
        let guards = &mut self.guards;
        guards.forwarded_for = ForwardedFor::Unknown;
        guards.headers.any = true;
        guards.end_to_end_headers = false;
        guards.body = false;
        guards.trace = false;
        guards.makes_up = true;
        for part in [&mut guards.method, &mut guards.path, &mut guards.authority] {
            part.get_or_insert_default().insert(Touch::Unknown);
        }
        let why = why.into();
        self.say(
            place,
            format!("destroys evidence: {why}, so nothing that this Envoy passes on can be relied on"),
            "remove it, or expect Unverified",
        );
    }

    /// End-to-end headers may be dropped or changed; which ones is not known.
    pub fn some_headers(&mut self) {
        self.guards.end_to_end_headers = false;
    }

    fn say(&mut self, place: &Problem, what: String, cure: &str) {
        self.problems.push(Problem { what, cure: cure.into(), ..place.clone() });
    }
}
