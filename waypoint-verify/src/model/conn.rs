//! What identifies a connection and a message, the same at both of its ends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A TCP connection, by the initial sequence numbers that both ends agree on (host byte order).
///
/// They survive SNAT, DNAT, masquerading and DSR; addresses do not. Taken from the kernel's
/// established events (`BPF_SOCK_OPS_{ACTIVE,PASSIVE}_ESTABLISHED_CB`), never from SYN packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnKey {
    /// Initial sequence number of the end that dialled.
    pub client_isn: u32,
    /// Initial sequence number of the end that accepted.
    pub server_isn: u32,
}

impl fmt::Display for ConnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{:08x}", self.client_isn, self.server_isn)
    }
}

/// A message: its connection and where it starts in the client-to-server stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKey {
    pub conn: ConnKey,
    /// Octets of the client-to-server stream before the first octet of the message (0 = directly after the SYN).
    pub offset: u64,
    /// HTTP/2 stream identifier; 0 for HTTP/1.
    pub stream: u32,
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.conn, self.offset)?;
        if self.stream != 0 {
            write!(f, "#{}", self.stream)?;
        }
        Ok(())
    }
}

/// Which end of a connection a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// It dialled: it writes requests.
    Active,
    /// It accepted: it reads requests.
    Passive,
}
