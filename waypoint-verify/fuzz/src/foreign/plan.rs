//! What a fuzzer's octets mean: a ClientHello in records, or a PROXY protocol header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::{Arbitrary, Result, Unstructured};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tls,
    Proxy,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub kind: Kind,
    pub octets: Vec<u8>,
    /// What it must be called.
    pub name: String,
    /// Something was changed: it may be called less.
    pub spoilt: bool,
    /// How many octets a piece has, less one.
    pub step: u8,
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let step = u.arbitrary()?;
        let (kind, mut octets, name) = match u.int_in_range(0..=3)? {
            0 => version_1(u)?,
            1 => version_2(u)?,
            _ => hello(u)?,
        };
        let spoilt = u.ratio(1, 3)?;
        if spoilt {
            // Behind what tells the protocol.
            for _ in 0..u.int_in_range(1..=4)? {
                let at = u.int_in_range(6..=octets.len().max(7) - 1)?;
                match u.int_in_range(0..=2)? {
                    0 => octets.truncate(at.max(16)),
                    1 if at < octets.len() => octets[at] = u.arbitrary()?,
                    _ if at <= octets.len() => octets.insert(at, u.arbitrary()?),
                    _ => {}
                }
            }
        }
        Ok(Self { kind, octets, name, spoilt, step })
    }
}

type Built = (Kind, Vec<u8>, String);

fn hello(u: &mut Unstructured<'_>) -> Result<Built> {
    let mut name = String::from("TLS");
    let mut extensions = Vec::new();
    if u.ratio(3, 4)? {
        let host = label(u, 60)?;
        let entry = [&[0][..], &with_length_2(host.as_bytes())].concat();
        extensions.extend([&[0, 0][..], &with_length_2(&with_length_2(&entry))].concat());
        name += &format!(", server name {host}");
    }
    for _ in 0..u.int_in_range(0..=2)? {
        // GREASE, or padding: of no meaning here.
        let body = vec![0; u.int_in_range(0..=300)?];
        extensions.extend([&[0x0a, 0x0a][..], &with_length_2(&body)].concat());
    }
    if u.ratio(3, 4)? {
        let mut protocols = Vec::new();
        for _ in 0..u.int_in_range(1..=3)? {
            protocols.push(label(u, 20)?);
        }
        let list: Vec<u8> = protocols.iter().flat_map(|protocol| with_length_1(protocol.as_bytes())).collect();
        extensions.extend([&[0, 16][..], &with_length_2(&with_length_2(&list))].concat());
        name += &format!(", ALPN {}", protocols.join(", "));
    }
    let session = vec![7; u.int_in_range(0..=32)?];
    let ciphers = vec![0x13; 2 * u.int_in_range(1..=40usize)?];
    let mut body = [&[3, 3][..], &[9; 32], &with_length_1(&session), &with_length_2(&ciphers), &[1, 0]].concat();
    if !extensions.is_empty() || u.arbitrary()? {
        body.extend(with_length_2(&extensions));
    }
    let length = u32::try_from(body.len()).expect("inputs are small").to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    let piece = u.int_in_range(1..=message.len())?.max(message.len() / 40);
    let record = |part: &[u8]| [&[0x16, 3, 1][..], &with_length_2(part)].concat();
    Ok((Kind::Tls, message.chunks(piece).flat_map(record).collect(), name))
}

fn version_1(u: &mut Unstructured<'_>) -> Result<Built> {
    let (from, to) = ends(u)?;
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let text = format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
    let name = format!("PROXY protocol v1, claims {from} to {to}");
    Ok((Kind::Proxy, [text.as_bytes(), after(u)?].concat(), name))
}

fn version_2(u: &mut Unstructured<'_>) -> Result<Built> {
    let (from, to) = ends(u)?;
    let mut addresses = Vec::new();
    for end in [from, to] {
        match end.ip() {
            IpAddr::V4(ip) => addresses.extend(ip.octets()),
            IpAddr::V6(ip) => addresses.extend(ip.octets()),
        }
    }
    addresses.extend([from.port().to_be_bytes(), to.port().to_be_bytes()].concat());
    if u.ratio(1, 4)? {
        // PP2_TYPE_UNIQUE_ID.
        addresses.extend([&[5][..], &with_length_2(&vec![1; u.int_in_range(0..=100)?])].concat());
    }
    let family = if from.is_ipv4() { 0x11 } else { 0x21 };
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &with_length_2(&addresses)].concat();
    Ok((Kind::Proxy, [&header, after(u)?].concat(), format!("PROXY protocol v2, claims {from} to {to}")))
}

/// A request behind the header, which must not be read.
fn after(u: &mut Unstructured<'_>) -> Result<&'static [u8]> {
    Ok(if u.arbitrary()? { b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" } else { b"" })
}

fn ends(u: &mut Unstructured<'_>) -> Result<(SocketAddr, SocketAddr)> {
    let four = u.arbitrary()?;
    let mut end = || -> Result<SocketAddr> {
        let ip = if four {
            Ipv4Addr::from(u.arbitrary::<[u8; 4]>()?).into()
        } else {
            Ipv6Addr::from(u.arbitrary::<[u8; 16]>()?).into()
        };
        Ok(SocketAddr::new(ip, u.arbitrary()?))
    };
    Ok((end()?, end()?))
}

fn label(u: &mut Unstructured<'_>, most: usize) -> Result<String> {
    let mut label = String::new();
    for _ in 0..u.int_in_range(1..=most)? {
        label.push(char::from(*u.choose(b"abcdefghijklmnopqrstuvwxyz0123456789.-/")?));
    }
    Ok(label)
}

fn with_length_1(octets: &[u8]) -> Vec<u8> {
    [&[u8::try_from(octets.len()).expect("short")], octets].concat()
}

fn with_length_2(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).expect("short").to_be_bytes(), octets].concat()
}
