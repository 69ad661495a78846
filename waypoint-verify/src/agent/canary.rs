//! A connection of the agent's own, on loopback: if the probes do not see it, the cgroup root is not this node's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::evidence::Evidence;
use crate::model::Side;

/// After this long it counts as unseen.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Canary {
    address: SocketAddr,
    sent: Instant,
    seen: bool,
}

impl Canary {
    pub fn send() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on loopback for the canary")?;
        let address = listener.local_addr().context("the canary's address")?;
        TcpStream::connect_timeout(&address, PATIENCE).context("dialling the canary on loopback")?;
        Ok(Self { address, sent: Instant::now(), seen: false })
    }

    pub fn look(&mut self, evidence: &Evidence) {
        if let Evidence::Opened { side: Side::Active, end, .. } = evidence {
            self.seen |=
                end.remote.ip().to_canonical() == self.address.ip() && end.remote.port() == self.address.port();
        }
    }

    /// Why the node cannot be seen.
    pub fn missing(&self) -> Option<String> {
        (!self.seen).then(|| match self.sent.elapsed() > PATIENCE {
            true => {
                "the agent does not see its own connections: --cgroup-root is not the cgroup root of this node".into()
            }
            false => "the agent has not seen its own connection yet".into(),
        })
    }
}
