//! What of a request a recording may show: header values only as keyed hashes.

use std::sync::Arc;

use crate::evidence::{Evidence, RequestLine};
use crate::link::Hasher;

/// The key lives as long as the recording is written: equal values of one recording stay equal, and nothing else can be
/// tried out on them.
#[derive(Clone, Debug)]
pub struct Redactor {
    hasher: Hasher,
    /// Paths, authorities and what was read of a foreign protocol (server names), too.
    whole: bool,
}

impl Redactor {
    pub fn new(key: [u8; 16], whole: bool) -> Self {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| key[at + i]));
        Self { hasher: Hasher::new((half(0), half(8))), whole }
    }

    pub fn evidence(&self, evidence: &Evidence) -> Evidence {
        let mut evidence = evidence.clone();
        match &mut evidence {
            Evidence::Arrived { request, .. } => *request = Arc::new(self.line(request)),
            Evidence::Unreadable { detail, .. } if self.whole && !detail.is_empty() => *detail = self.hash(detail),
            _ => {}
        }
        evidence
    }

    fn line(&self, line: &RequestLine) -> RequestLine {
        let (path, query) = line.path.split_once('?').map_or((&*line.path, None), |(path, query)| (path, Some(query)));
        let path = match query {
            _ if self.whole => self.hash(&line.path),
            // Where tokens are.
            Some(query) => format!("{path}?{}", self.hash(query)),
            None => path.to_owned(),
        };
        RequestLine {
            protocol: line.protocol,
            method: line.method.clone(),
            path,
            authority: if self.whole { self.hash(&line.authority) } else { line.authority.clone() },
            trace_id: line.trace_id.as_deref().map(|id| self.hash(id)),
        }
    }

    fn hash(&self, text: &str) -> String {
        format!("#{:016x}", self.hasher.bytes(text.as_bytes()))
    }
}
