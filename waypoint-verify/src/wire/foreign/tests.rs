//! Names, however the octets come; and never a message.

use crate::wire::fixture::Feed;
use crate::wire::{Event, Opaque, Poison, Protocol};

/// A ClientHello of OpenSSL 3.0, as one record.
fn hello() -> Vec<u8> {
    let digits: Vec<u8> =
        include_str!("hello.hex").bytes().filter_map(|c| char::from(c).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The same handshake message in records of so many octets.
fn records(octets: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[0x16, 3, 1], &u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
    hello()[5..].chunks(octets).flat_map(record).collect()
}

/// A handshake message of this type in one record.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[kind], &length[1..], body].concat();
    [&[0x16, 3, 3], &u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

fn named(feed: &Feed) -> (Option<Poison>, Option<String>) {
    let found = feed.events.iter().find_map(|event| match event {
        Event::Poisoned { offset: 0, reason, named } => Some((Some(*reason), named.as_ref().map(ToString::to_string))),
        _ => None,
    });
    assert_eq!(feed.events.len(), usize::from(found.is_some()), "{:?}", feed.events);
    found.unwrap_or_default()
}

/// In pieces of so many octets; at the latest its end shows what it is.
fn fed(octets: &[u8], piece: usize) -> Feed {
    let mut feed = Feed::new();
    for (n, bytes) in octets.chunks(piece).enumerate() {
        feed.at((n * piece) as u64, bytes);
    }
    feed
}

fn is(protocol: Protocol, name: &str) -> (Option<Poison>, Option<String>) {
    (Some(Opaque::NotHttp(protocol).into()), Some(name.to_owned()))
}

#[test]
fn tls_is_named_by_its_hello_however_it_is_cut() {
    let name = is(Protocol::Tls, "TLS, server name a.example, ALPN h2, http/1.1");
    for octets in [
        hello(),
        records(1),
        records(100),
        records(4),
        [hello(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()].concat(),
    ] {
        for piece in [1, 2, 7, 300, octets.len()] {
            assert_eq!(named(&fed(&octets, piece)), name, "{piece}");
        }
    }
    // Nothing is said before the hello is complete.
    let whole = hello();
    let mut torn = fed(&whole[..whole.len() - 1], whole.len());
    assert_eq!(torn.events, []);
    torn.close(Some(whole.len() as u64 - 1));
    assert_eq!(named(&torn), is(Protocol::Tls, "TLS"));
    for end in [1, 2, 5, 40] {
        let mut torn = fed(&whole[..end], 3);
        torn.fin(end as u64);
        let expected = if end == 1 { (Some(Poison::Incomplete), None) } else { is(Protocol::Tls, "TLS") };
        assert_eq!(named(&torn), expected, "{end}");
    }
}

#[test]
fn what_is_no_hello_is_still_tls() {
    let body = |extensions: &[u8]| [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], extensions].concat();
    // Extensions: a list of one server name, and of protocols that are not text.
    let odd = [
        &[0, 33][..],
        &[0, 0, 0, 10, 0, 8, 0, 0, 5, b'a', b'\n', 0xff, b'.', b'b'],
        &[0, 16, 0, 15, 0, 13, 2, b'h', b'2', 9, b'x', 0, b'y', b'y', b'y', b'y', b'y', b'y', b'y'],
    ]
    .concat();
    // So much padding that the hello is as long as what is gathered.
    let longest = |padding: u16| {
        let all = u16::try_from(odd.len() - 2 + 4).unwrap() + padding;
        let zeros = vec![0; padding.into()];
        [&all.to_be_bytes()[..], &odd[2..], &[0, 21], &padding.to_be_bytes(), &zeros].concat()
    };
    let room = 16 * 1024 - handshake(1, &body(&longest(0))).len();
    let rows: &[(Vec<u8>, &str)] = &[
        (handshake(1, &body(&longest(u16::try_from(room).unwrap()))), "TLS, server name a??.b, ALPN h2, x?yyyyyyy"),
        (handshake(1, &body(&longest(u16::try_from(room).unwrap() + 1))), "TLS"),
        (handshake(1, &body(&[])), "TLS"),
        (handshake(1, &body(&[0, 0])), "TLS"),
        (handshake(1, &body(&odd)), "TLS, server name a??.b, ALPN h2, x?yyyyyyy"),
        (handshake(1, &[0; 3]), "TLS"),
        (handshake(2, &[0; 40]), "TLS"),
        (b"\x16\x03\x01\xff\xff".to_vec(), "TLS"),
        // Another record in the middle of the hello.
        ([&records(100)[..105], b"\x17\x03\x03\x00\x01x"].concat(), "TLS"),
        // Longer than is gathered.
        (b"\x16\x03\x01\x40\x00\x01\x00\xff\xff".to_vec(), "TLS"),
    ];
    for (octets, name) in rows {
        let mut octets = octets.clone();
        octets.resize(octets.len().max(40_000), 0x16);
        for piece in [1000, octets.len()] {
            let feed = fed(&octets, piece);
            assert_eq!(named(&feed), is(Protocol::Tls, name), "{octets:02x?}");
        }
    }
    let mut held = Feed::new();
    for n in 0..16 {
        held.at(n * 1000, &rows[9].0.iter().copied().chain([0; 1000]).take(1000).collect::<Vec<_>>());
        assert!(held.stream.memory() < 40_000);
    }
    // Which message it is shows with its first octets; no other record is waited for.
    for other in [handshake(2, &[0; 40]), handshake(2, &[])] {
        assert_eq!(named(&fed(&other, 1000)), is(Protocol::Tls, "TLS"));
    }
}

#[test]
fn proxy_protocol_is_named_with_what_it_claims() {
    let two = |rest: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n", rest].concat();
    let inet = [&[0x21, 0x11, 0, 12][..], &[10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 1, 187]].concat();
    let longer = [&[0x21, 0x11, 0, 16][..], &inet[4..], &[4, 0, 1, 0]].concat();
    let inet6 = [&[0x21, 0x21, 0, 36][..], &[0; 15], &[1], &[0; 15], &[2], &[0, 80, 0, 81]].concat();
    let rows: &[(Vec<u8>, &str)] = &[
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 80 443\r\n".to_vec(), "PROXY protocol v1, claims 10.0.0.1:80 to 10.0.0.2:443"),
        (b"PROXY TCP6 ::1 ::2 80 81\r\n".to_vec(), "PROXY protocol v1, claims [::1]:80 to [::2]:81"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "PROXY protocol v1, claims no address"),
        (b"PROXY TCP4 a b c d\r\n".to_vec(), "PROXY protocol, malformed"),
        (two(&inet), "PROXY protocol v2, claims 10.0.0.1:80 to 10.0.0.2:443"),
        (two(&longer), "PROXY protocol v2, claims 10.0.0.1:80 to 10.0.0.2:443"),
        (two(&inet6), "PROXY protocol v2, claims [::1]:80 to [::2]:81"),
        (two(&[0x20, 0, 0, 0]), "PROXY protocol v2, claims no address"),
        (two(&[0x31, 0x11, 0, 12]), "PROXY protocol, malformed"),
    ];
    for (header, name) in rows {
        let octets = [&header[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        for piece in [1, 5, octets.len()] {
            assert_eq!(named(&fed(&octets, piece)), is(Protocol::ProxyProtocol, name), "{piece} {header:02x?}");
        }
    }
    // No header is longer than this.
    let endless = [b"PROXY TCP4 ", &[b'1'; 96][..]].concat();
    assert_eq!(fed(&endless[..106], 50).events, []);
    assert_eq!(named(&fed(&endless, 50)), is(Protocol::ProxyProtocol, "PROXY protocol, malformed"));
    // One that is longer than what is gathered is not waited for.
    assert_eq!(named(&fed(&two(&[0x21, 0x11, 0xff, 0xff]), 16)), is(Protocol::ProxyProtocol, "PROXY protocol"));
    let mut torn = fed(b"PROXY TCP4 10.0.0.1", 4);
    assert_eq!(torn.events, []);
    torn.close(None);
    assert_eq!(named(&torn), is(Protocol::ProxyProtocol, "PROXY protocol"));
    // A method of that name is a method, and empty lines are empty lines.
    for octets in ["PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nPROXY /x HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for piece in [1, 5, 100] {
            let feed = fed(octets.as_bytes(), piece);
            assert_eq!((feed.poison(), feed.heads()), (None, vec!["PROXY /x a".into()]));
        }
    }
}

#[test]
fn other_protocols_are_named_by_their_first_octets() {
    let rows: &[(&[u8], Option<&str>)] = &[
        (b"SSH-2.0-OpenSSH_9.2\r\n", Some("SSH")),
        (b"AMQP\0\0\x09\x01", Some("AMQP")),
        (b"\0\0\0\x52\0\x03\0\0user\0", Some("PostgreSQL")),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Some("PostgreSQL")),
        (b"\x10\x10\0\x04MQTT\x04", Some("MQTT")),
        (b"*1\r\n$4\r\nPING\r\n", Some("Redis")),
        (b"\0\x01\x02", None),
        (b"hello\r\n", None),
    ];
    for (octets, name) in rows {
        let (reason, told) = named(&fed(octets, octets.len()));
        assert_eq!((reason, told.as_deref()), (Some(Opaque::NotHttp(Protocol::Unknown).into()), *name), "{octets:?}");
        // Alone the first octets say less, but never that it is HTTP.
        assert!(matches!(named(&fed(octets, 1)).0, Some(Poison::Opaque(_))), "{octets:?}");
    }
}

#[test]
fn two_readings_of_a_hello_are_a_conflict() {
    let octets = hello();
    let mut feed = fed(&octets[..100], 100);
    feed.at(50, &[octets[50] ^ 1]);
    let [Event::Poisoned { offset: 50, reason: Poison::Conflict(_), named }] = &feed.events[..] else { panic!() };
    assert_eq!(named.as_deref(), Some("TLS"));
}
