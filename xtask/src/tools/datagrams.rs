//! `xtask tool datagrams`: what is no TCP: UDP, or any other protocol over IP.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::owner::Owner;
use super::{Script, Tool};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Datagrams {
    pub to: SocketAddr,
    pub from: Option<IpAddr>,
    pub over: Over,
    pub payload: Vec<u8>,
    pub count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    Udp,
    /// A protocol number of IP; the payload is what follows the IP header.
    Ip(u8),
}

impl Datagrams {
    pub fn udp(to: SocketAddr, payload: impl AsRef<[u8]>, count: usize) -> Self {
        Self { to, from: None, over: Over::Udp, payload: payload.as_ref().to_owned(), count }
    }

    /// Looks like the first packet of a QUIC connection (RFC 9000, 17.2.2): long header, version 1, padded to 1200 octets.
    pub fn quic(to: SocketAddr, count: usize) -> Self {
        let mut payload = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
        payload.extend_from_slice(&[0x44, 0x96]);
        payload.resize(1200, 0);
        Self::udp(to, payload, count)
    }
}

/// Takes what comes to this address over UDP, until released or killed. It says `Waiting("ready")` when it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receive {
    pub at: SocketAddr,
}

impl Script for Receive {
    const TOOL: Tool = Tool::Receive;
    type Report = ();

    fn play(self, owner: &mut Owner) -> Result<()> {
        let socket = Socket::new(Domain::for_address(self.at), Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&self.at.into())?;
        owner.wait("ready")
    }
}

impl Script for Datagrams {
    const TOOL: Tool = Tool::Datagrams;
    type Report = ();

    fn play(self, _: &mut Owner) -> Result<()> {
        let domain = Domain::for_address(self.to);
        let (socket, to) = match self.over {
            Over::Udp => (Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?, self.to),
            // The port of a raw socket's address means something else.
            Over::Ip(number) => (
                Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(number))))?,
                SocketAddr::new(self.to.ip(), 0),
            ),
        };
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        for number in 0..self.count {
            // Nobody listens: the answer to one is an error of the next.
            let sent = socket.send_to(&self.payload, &to.into());
            if let Err(error) = sent
                && error.kind() != std::io::ErrorKind::ConnectionRefused
            {
                return Err(error).with_context(|| format!("datagram {number}"));
            }
        }
        Ok(())
    }
}
