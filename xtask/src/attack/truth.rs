//! What the backends themselves say of what they served: the truth about requests that nothing else tells apart. A label that travels
//! in `User-Agent`, which both proxies pass on and the verifier compares nowhere, is written into a backend's log, with the
//! connection; the n-th request of a connection there is the n-th in the verdicts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::label::of_path;
use crate::lab::Lab;

/// By pod and the connection's other end: the labels of its requests, in order; `None` for one without.
#[derive(Debug, Default)]
pub struct Truth {
    served: BTreeMap<(String, SocketAddr), Vec<Option<String>>>,
}

impl Truth {
    pub fn read(lab: &Lab) -> Result<Self> {
        let mut truth = Self::default();
        for pod in lab.plan().pods_of("hello-backend") {
            truth.add(&pod.name, &lab.access_log(&pod.name)?)?;
        }
        Ok(truth)
    }

    fn add(&mut self, pod: &str, log: &Path) -> Result<()> {
        let text = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
        // The last line may be half written.
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let request = &line["request"];
            let ip: Option<IpAddr> = request["remote_ip"].as_str().and_then(|ip| ip.parse().ok());
            let port: Option<u16> = request["remote_port"].as_str().and_then(|port| port.parse().ok());
            let peer = ip.zip(port).with_context(|| format!("a log line without a peer: {line}"))?;
            let label = request["headers"]["User-Agent"][0].as_str().and_then(of_path);
            self.served.entry((pod.to_owned(), peer.into())).or_default().push(label);
        }
        Ok(())
    }

    /// For each of these verdicts, by its message, what its request was labelled as.
    pub fn labels<'a>(&self, verdicts: impl Iterator<Item = &'a Value>) -> BTreeMap<&'a str, String> {
        let mut connections: BTreeMap<(&str, &str), Vec<(u64, &str)>> = BTreeMap::new();
        for verdict in verdicts {
            let hop = &verdict["explanation"]["hops"][0];
            if let (Some(owner), Some(peer), Some(offset), Some(message)) =
                (hop["owner"].as_str(), hop["remote"].as_str(), hop["offset"].as_u64(), verdict["message"].as_str())
            {
                connections.entry((owner, peer)).or_default().push((offset, message));
            }
        }
        let mut labels = BTreeMap::new();
        for ((owner, peer), mut messages) in connections {
            messages.sort_unstable();
            let Ok(peer) = peer.parse() else { continue };
            let of_pod = |((pod, at), _): &(&(String, SocketAddr), _)| *at == peer && owner.contains(pod.as_str());
            let Some((_, served)) = self.served.iter().find(of_pod) else { continue };
            // Where one of the two has missed something, nothing is said.
            if served.len() == messages.len() {
                let both = messages.iter().zip(served);
                labels.extend(both.filter_map(|((_, message), label)| Some((*message, label.clone()?))));
            }
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nth_request_of_a_connection_is_the_nth_verdict() {
        let dir = std::env::temp_dir().join(format!("truth-{}", std::process::id()));
        let line = |port: u16, agent: &str| json!({"request": {"remote_ip": "10.0.0.1", "remote_port": port.to_string(), "headers": {"User-Agent": [agent]}}});
        let log = [line(1, "/legit/a/x"), line(2, "/bypass/a/y"), line(1, "/bypass/a/z"), line(3, "curl")];
        std::fs::write(&dir, log.map(|line| format!("{line}\n")).concat()).unwrap();
        let mut truth = Truth::default();
        truth.add("pod-1", &dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        let verdict = |message: &str, port: u16, offset: u64| json!({"message": message, "explanation": {"hops": [{"owner": "pod hello/pod-1 (caddy)", "remote": format!("10.0.0.1:{port}"), "offset": offset}]}});
        let verdicts =
            [verdict("m3", 1, 90), verdict("m1", 1, 0), verdict("m2", 2, 0), verdict("m4", 3, 0), verdict("m5", 9, 0)];
        let labels = truth.labels(verdicts.iter());
        let expected = [("m1", "/legit/a/x"), ("m2", "/bypass/a/y"), ("m3", "/bypass/a/z")];
        assert_eq!(labels, expected.map(|(message, label)| (message, label.to_owned())).into_iter().collect());
    }
}
