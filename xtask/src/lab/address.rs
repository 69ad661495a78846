//! An address in each of the families that the lab speaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// IPv4 always; IPv6 where the topology names a network of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub ipv4: Ipv4Addr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
}

impl Address {
    /// IPv4 first, as `status.podIPs` lists them.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(IpAddr::V4(self.ipv4)).chain(self.ipv6.map(IpAddr::V6))
    }

    /// The address of the other one's family, if there is one.
    pub fn of_family(self, other: IpAddr) -> Option<IpAddr> {
        self.iter().find(|ip| ip.is_ipv4() == other.is_ipv4())
    }

    pub fn v4(self) -> IpAddr {
        IpAddr::V4(self.ipv4)
    }

    /// The network with number `index` of this one: a /24 of the IPv4 base, a /64 of the IPv6 base.
    pub(super) fn subnet(self, index: u8) -> Self {
        let [a, b, _, _] = self.ipv4.octets();
        let ipv6 = self.ipv6.map(|base| {
            let mut segments = base.segments();
            segments[3] = u16::from(index);
            Ipv6Addr::from(segments)
        });
        Self { ipv4: Ipv4Addr::new(a, b, index, 0), ipv6 }
    }

    /// The host with number `index` in this network.
    pub(super) fn host(self, index: u8) -> Self {
        let [a, b, c, _] = self.ipv4.octets();
        let ipv6 = self.ipv6.map(|base| {
            let mut segments = base.segments();
            segments[7] = u16::from(index);
            Ipv6Addr::from(segments)
        });
        Self { ipv4: Ipv4Addr::new(a, b, c, index), ipv6 }
    }
}

/// `address/prefix`, with the given prefix lengths of the two families.
pub fn cidr(ip: IpAddr, v4: u8, v6: u8) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { v4 } else { v6 })
}

/// `ADDRESS:PORT`, bracketed where needed.
pub fn socket(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}
