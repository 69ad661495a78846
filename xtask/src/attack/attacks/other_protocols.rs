//! E7, E44. Connections that do not carry HTTP as it is: TLS with a server name and ALPN, PROXY protocol of both versions, SSH's greeting,
//! to the backend and to the front door.
//!
//! None is mistaken for HTTP. To the backend: Bypassed(DirectConnection), one for each connection, with the protocol by name. Envoy's
//! plaintext listeners take none of them, and nothing arrives.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::SILENCE;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};

pub const ATTACK: Attack = Attack {
    name: "other-protocols",
    source: "E7 E44",
    about: "TLS, PROXY protocol and others, to the backend and to the front door",
    // What Envoy is sent here casts doubt on others for a while.
    setting: Setting::Own,
    play,
};

/// Name, how it must be named, and what is sent for a path.
type Row = (&'static str, &'static str, fn(&str) -> Vec<u8>);

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let client = stage.lab.client("client-7")?;
    let rows: [Row; 4] = [
        ("tls", "server name hello.example, alpn h2", |_| client_hello("hello.example", &["h2", "http/1.1"])),
        ("proxy-v1", "proxy protocol v1", |path| {
            format!("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
        }),
        ("proxy-v2", "proxy protocol v2", |path| {
            let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\0\x01\0\x02".to_vec();
            octets.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            octets
        }),
        ("ssh", "ssh", |_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
    ];
    for (name, named, octets) in rows {
        let path = stage.bypass(name, [("Bypassed(DirectConnection)", 1)]);
        let nothing = stage.refused(&format!("{name}-front"));
        for (to, label) in [(backend, &path), (front, &nothing)] {
            let steps = vec![Step::Octets(octets(label)), Step::Drain { silence_ms: SILENCE }];
            let outcomes = client.run(&Script { connections: vec![Connection { to, from: None, steps }] })?;
            if to == backend {
                stage.sent_on(label, &outcomes);
            }
        }
        stage.settle_label(&path)?;
        let detail: String = stage.samples(&path).collect();
        stage.claim(&format!("{name} is named {named} in {detail}"), detail.to_lowercase().contains(named));
    }
    Ok(())
}

/// A ClientHello (RFC 8446, 4.1.2) that offers one cipher suite.
fn client_hello(server: &str, protocols: &[&str]) -> Vec<u8> {
    let with_length = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
    let extension = |kind: u16, content: &[u8]| [&kind.to_be_bytes()[..], &with_length(content)].concat();
    let names: Vec<u8> =
        protocols.iter().flat_map(|name| [&[name.len() as u8][..], name.as_bytes()].concat()).collect();
    let extensions = [
        extension(0, &with_length(&[&[0][..], &with_length(server.as_bytes())].concat())),
        extension(16, &with_length(&names)),
        extension(43, &[2, 3, 4]),
    ];
    let hello = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &with_length(&extensions.concat())].concat();
    let handshake = [&[1, 0][..], &with_length(&hello)].concat();
    [&[22, 3, 1][..], &with_length(&handshake)].concat()
}
