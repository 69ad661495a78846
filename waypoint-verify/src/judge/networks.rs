//! Networks that pods have addresses in. It is asked of every hop of every request, and a cluster has some for each node.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustc_hash::FxHashSet;

use crate::model::WatchList;

#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// Family, length and the first octets of each.
    known: FxHashSet<(bool, u8, u128)>,
    /// The lengths that there are of each family: few.
    lengths: BTreeSet<(bool, u8)>,
}

impl Networks {
    /// Single addresses in it are nodes', and no pods'.
    pub fn of_pods(watch: &WatchList) -> Self {
        let mut networks = Self::default();
        for (net, length) in &watch.cluster_addresses {
            let (family, bits, all) = parts(*net);
            if *length < all {
                networks.known.insert((family, *length, first(bits, *length)));
                networks.lengths.insert((family, *length));
            }
        }
        networks
    }

    pub fn contain(&self, ip: IpAddr) -> bool {
        let (family, bits, _) = parts(ip);
        let mut lengths = self.lengths.iter().filter(|(of, _)| *of == family);
        lengths.any(|(_, length)| self.known.contains(&(family, *length, first(bits, *length))))
    }
}

/// Whether it is IPv4, its bits from the left, and how many they are.
fn parts(ip: IpAddr) -> (bool, u128, u8) {
    match ip {
        IpAddr::V4(v4) => (true, u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (false, u128::from(v6), 128),
    }
}

fn first(bits: u128, length: u8) -> u128 {
    bits & !u128::MAX.checked_shr(length.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_pods_if_a_network_of_any_length_holds_it() {
        let networks =
            ["10.244.0.0/24", "10.244.128.0/17", "10.0.0.7/32", "fd00:10::/64", "fd00:20::1/128", "172.16.0.0/12"];
        let parsed = networks.map(|text| {
            let (net, length) = text.split_once('/').unwrap();
            (net.parse().unwrap(), length.parse().unwrap())
        });
        let pods = Networks::of_pods(&WatchList { cluster_addresses: parsed.into(), ..WatchList::default() });
        for (ip, expected) in [
            ("10.244.0.255", true),
            ("10.244.1.0", false),
            ("10.244.128.0", true),
            ("10.244.255.255", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("10.0.0.7", false),
            ("fd00:10::ffff", true),
            ("fd00:10:0:1::", false),
            ("fd00:20::1", false),
            ("::ffff:10.244.0.1", false),
        ] {
            assert_eq!(pods.contain(ip.parse().unwrap()), expected, "{ip}");
        }
        let everything = WatchList { cluster_addresses: vec![("0.0.0.0".parse().unwrap(), 0)], ..WatchList::default() };
        assert!(Networks::of_pods(&everything).contain("192.0.2.1".parse().unwrap()));
        assert!(!Networks::default().contain("10.244.0.1".parse().unwrap()));
    }
}
