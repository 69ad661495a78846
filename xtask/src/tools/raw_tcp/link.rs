//! Raw sockets: whole packets out, TCP segments in.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etherparse::{Ipv4HeaderSlice, TcpHeader};
use socket2::{Domain, Protocol, Socket, Type};

use super::quiet::MARK;

/// A segment that the peer sent.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) header: TcpHeader,
    pub(super) data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    out: Socket,
    input: Socket,
}

impl Link {
    pub(super) fn new(local: SocketAddr, peer: SocketAddr) -> Result<Self> {
        let domain = Domain::for_address(peer);
        // RAW means that the IP header is ours too, in both families.
        let out = Socket::new(domain, Type::RAW, Some(Protocol::from(255))).context("a raw socket")?;
        out.set_mark(MARK)?;
        let input = Socket::new(domain, Type::RAW, Some(Protocol::TCP))?;
        input.set_recv_buffer_size(4 << 20)?;
        Ok(Self { local, peer, out, input })
    }

    pub(super) fn send(&self, packet: &[u8]) -> Result<()> {
        // The port of a raw socket's address means something else.
        let to = SocketAddr::new(self.peer.ip(), 0);
        self.out.send_to(packet, &to.into()).with_context(|| format!("a packet of {} octets", packet.len()))?;
        Ok(())
    }

    /// The next segment of this connection; none before the deadline.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Option<Received>> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.input.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let length = match self.input.read(&mut buffer) {
                Ok(length) => length,
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(received) = self.of_ours(&buffer[..length])? {
                return Ok(Some(received));
            }
        }
    }

    fn of_ours(&self, packet: &[u8]) -> Result<Option<Received>> {
        // IPv6 gives the segment alone; its address would need recvmsg, and the ports tell connections apart here.
        let segment = match self.peer.ip() {
            IpAddr::V6(_) => packet,
            IpAddr::V4(peer) => {
                let header = Ipv4HeaderSlice::from_slice(packet)?;
                if header.source_addr() != peer {
                    return Ok(None);
                }
                &packet[header.slice().len()..]
            }
        };
        let Ok((header, data)) = TcpHeader::from_slice(segment) else { return Ok(None) };
        let ours = header.source_port == self.peer.port() && header.destination_port == self.local.port();
        Ok(ours.then(|| Received { header, data: data.to_owned() }))
    }
}

/// The address that the kernel would send from.
pub(super) fn own_address(to: SocketAddr) -> Result<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    // Connecting a datagram socket only chooses a route.
    let socket = UdpSocket::bind(any)?;
    socket.connect(to).with_context(|| format!("no way to {to}"))?;
    Ok(socket.local_addr()?.ip())
}
