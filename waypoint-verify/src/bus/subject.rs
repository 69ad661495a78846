//! Names on the bus. Every agent has a stream of its own, so that one that floods drops nobody's evidence but its own.

/// A name of a cluster or node as a token of a subject: what is special there is written `_xx` (hexadecimal).
pub fn token(name: &str) -> String {
    let mut token = String::with_capacity(name.len());
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => token.push(char::from(octet)),
            other => token.push_str(&format!("_{other:02x}")),
        }
    }
    token
}

/// Names of one cluster.
#[derive(Clone, Debug)]
pub struct Names {
    cluster: String,
}

impl Names {
    pub fn new(cluster: &str) -> Self {
        Self { cluster: token(cluster) }
    }

    /// Where a node's evidence goes. `partition`: whose it is; `all`: the verifiers of all partitions read it. What a gateway's Envoy
    /// passes on may be of any policy, and is most of it: sent to each partition by itself, it would be kept as many times.
    pub fn evidence(&self, node: &str, partition: &str) -> String {
        format!("wv.v1.{}.{}.{partition}", self.cluster, token(node))
    }

    /// All of a node's evidence.
    pub fn evidence_of(&self, node: &str) -> String {
        self.evidence(node, "*")
    }

    pub fn stream(&self, node: &str) -> String {
        format!("WV-{}-{}", self.cluster, token(node))
    }

    /// Ticks, for every agent.
    pub fn ticks(&self) -> String {
        format!("wv-tick.v1.{}", self.cluster)
    }

    /// The stream that keeps the newest part of the watch list of each node.
    pub fn parts_stream(&self) -> String {
        format!("WV-{}_watch", self.cluster)
    }

    pub fn part(&self, node: &str) -> String {
        format!("wv-watch.v1.{}.{}", self.cluster, token(node))
    }

    pub fn parts(&self) -> String {
        self.part("").trim_end_matches('.').to_owned() + ".*"
    }

    /// The stream that keeps what a verifier knows, for the one after it.
    pub fn state_stream(&self) -> String {
        format!("WV-{}_state", self.cluster)
    }

    /// Of one partition.
    pub fn state(&self, partition: &str) -> String {
        format!("wv-state.v1.{}.{partition}", self.cluster)
    }

    /// What a verifier asks to read what another one has left.
    pub fn state_request(&self, partition: &str) -> String {
        newest(&self.state_stream(), &self.state(partition))
    }

    /// What an agent asks to read its own part, and nothing else.
    pub fn part_request(&self, node: &str) -> String {
        newest(&self.parts_stream(), &self.part(node))
    }

    /// Where answers to a node's own requests come in.
    pub fn inbox(&self, node: &str) -> String {
        format!("_INBOX_{}_{}", self.cluster, token(node))
    }
}

/// What is asked of the server for the newest message of a subject.
fn newest(stream: &str, subject: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}.{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nodes_are_single_tokens_and_never_meet() {
        let names = Names::new("lab");
        assert_eq!(names.evidence("node-1", "all"), "wv.v1.lab.node-1.all");
        assert_eq!(names.evidence("ip-10-0-0-1.ec2.internal", "all"), "wv.v1.lab.ip-10-0-0-1_2eec2_2einternal.all");
        for other in ["node_2d1", "node.1", "*", ">", "node 1"] {
            let token = token(other);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{token}");
            assert_ne!(token, super::token("node-1"));
        }
        assert_eq!(names.parts(), "wv-watch.v1.lab.*");
        assert_eq!(names.part_request("n"), "$JS.API.DIRECT.GET.WV-lab_watch.wv-watch.v1.lab.n");
    }
}
