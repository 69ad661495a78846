//! Protocols that are not read, but named: TLS by its ClientHello, PROXY protocol by its header, a few others by their first
//! octets. Nothing of them is ever a message; what is said here is for people.
//!
//! `tls-parser` reads the hello and `ppp` the header: both maintained, and what they say decides nothing. Records and
//! handshake messages are put together here, since a hello may span several of both.

mod proxy;
mod tls;

use super::{Opaque, Poison, Protocol};

/// Octets that are gathered to find a name. Hellos with post-quantum keys have about 2 KiB.
const MAX_HELD: usize = 16 * 1024;

/// The start of a connection in another protocol.
#[derive(Debug)]
pub(super) struct Foreign {
    protocol: Protocol,
    held: Vec<u8>,
    /// Octets without which nothing more can be said.
    need: usize,
}

/// What the octets so far say.
enum Said {
    /// At least so many octets, all together, are needed to say more.
    Need(usize),
    /// All that will be said.
    Name(String),
}

impl Foreign {
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, held: Vec::new(), need: 0 }
    }

    /// Fails as soon as all is said, and takes everything until then.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Poison> {
        let room = MAX_HELD - self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.held.len() < self.need {
            return Ok(());
        }
        match self.say() {
            Said::Need(need) if need <= MAX_HELD => self.need = need,
            _ => return Err(self.poison()),
        }
        Ok(())
    }

    pub fn poison(&self) -> Poison {
        Opaque::NotHttp(self.protocol).into()
    }

    pub fn name(&self) -> Box<str> {
        match self.say() {
            Said::Name(name) => name.into(),
            Said::Need(_) if self.protocol == Protocol::Tls => "TLS".into(),
            Said::Need(_) => "PROXY protocol".into(),
        }
    }

    pub fn held(&self) -> &[u8] {
        &self.held
    }

    pub fn heap(&self) -> usize {
        self.held.capacity()
    }

    fn say(&self) -> Said {
        match self.protocol {
            Protocol::Tls => tls::said(&self.held),
            _ => proxy::said(&self.held),
        }
    }
}

/// A protocol that has no reader, by the first octets of a connection (fewer, if fewer came together).
pub(super) fn known(first: &[u8]) -> Option<&'static str> {
    let name = match first {
        [b'S', b'S', b'H', b'-', ..] => "SSH",
        [b'A', b'M', b'Q', b'P', ..] => "AMQP",
        // Length, then version 3.0 or a request for TLS.
        [_, _, _, _, 0, 3, 0, 0, ..] | [0, 0, 0, 8, 4, 210, 22, 47, ..] => "PostgreSQL",
        [0x10, _, 0, 4, b'M', b'Q', b'T', b'T', ..] => "MQTT",
        [b'*', b'1'..=b'9', b'\r', b'\n', b'$', ..] => "Redis",
        _ => return None,
    };
    Some(name)
}

/// Text of an attacker's choice, safe to print.
fn printable(raw: &[u8], max: usize) -> String {
    let safe = |octet: &u8| match octet {
        b'!'..=b'~' => char::from(*octet),
        _ => '?',
    };
    raw.iter().take(max).map(safe).collect()
}

#[cfg(test)]
mod tests;
