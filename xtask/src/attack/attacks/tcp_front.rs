//! E21, E37. The same TCP of its own at the front door: its owner wants the verifier to read another request than Envoy does, so that the
//! genuine one seems to come from nowhere (Bypassed, wrongly) or another one takes its place.
//!
//! What TCP drops is dropped, and the request that Envoy took is Verified. A raw socket is no TCP socket: that nobody was seen to dial
//! does not matter at a place where anybody may enter. Different octets at one place: Unverified(conflict) at most, never Bypassed.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::tcp_tricks::tricks;
use crate::attack::label::{IN_ALL, Intent};
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::run;

pub const ATTACK: Attack = Attack {
    name: "tcp-front",
    source: "E21",
    about: "TCP tricks at the front door, so that the verifier reads another request than Envoy",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let four = stage.lab.gateway("hello-gateway")?;
    let six = stage.lab.plan().gateway("hello-gateway")?.cluster_ip.ipv6.context("not dual-stack")?;
    let six = SocketAddr::new(six.into(), four.port());
    // On the way to an address of the node itself its connection tracking drops atomic fragments; urgent octets are none of a request's.
    let passing = tricks(four, six).into_iter().filter(|(name, ..)| !["all-extensions", "urgent"].contains(name));
    let two = ["overlap-differs", "keep-alive-probe", "data-in-the-syn", "wrong-checksum", "old-timestamp"];
    let mut doubtful = 1;
    for (name, to, trick) in passing {
        let expected = match name {
            // The reader is told that there are two octets at one place, whichever it keeps.
            _ if two.contains(&name) => {
                vec![("Verified", Count::Any), ("Unverified(conflict)", Count::Any), (IN_ALL, Count::Exactly(1))]
            }
            _ => vec![("Verified", Count::Exactly(1))],
        };
        // An entry in doubt casts doubt on its peer's others for a while: each of those has a pod of its own. So has one with octets
        // that lie beyond a hole when it is closed.
        let alone = expected.len() > 1 || name == "out-of-window";
        doubtful += usize::from(alone);
        let client = if alone { doubtful } else { 1 };
        let path = stage.declare(Intent::Legitimate, name, expected);
        let evil = stage.refused(&format!("{name}-dropped"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let script = trick(to, &request, &format!("GET {evil} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let client = stage.lab.client(&format!("client-{client}"))?;
        let report = run(&client, &script).with_context(|| name.to_owned())?;
        stage.claim(&format!("{name}: served: {}", report.answer), report.answer.contains(&path));
        stage.settle_label(&path)?;
    }
    stage.settle()?;
    stage.exits(&[0, 3])
}
