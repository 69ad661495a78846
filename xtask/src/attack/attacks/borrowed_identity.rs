//! E29, E30, E33. Who wants to look like the waypoint: a socket that is made in the waypoint's container and handed to a client
//! (SCM_RIGHTS), one that is made by a client whose process then moves into the waypoint's cgroup, a process that moves there first, and
//! another pod that got the waypoint's address.
//!
//! A socket belongs to the container where it was created, and there to the process that created it. Made in the waypoint's
//! container by another process: Bypassed(WaypointOrigin). Made anywhere else: Bypassed(UpstreamBypass). An address is no identity.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::tools::sockets::{Kind, Sockets, Step};
use crate::tools::{run, start};

pub const ATTACK: Attack = Attack {
    name: "borrowed-identity",
    source: "E29 E30 E33",
    about: "sockets that change hands, processes that change cgroups, a pod with the waypoint's address",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let upstream = stage.lab.gateway("hello-upstream")?;
    let waypoint = stage.lab.container("hello-waypoint-1", "caddy")?;
    let client = stage.lab.client("client-1")?;
    let exchange = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: hello.example\r\n\r\n");
        [Step::Send(request.into_bytes()), Step::Answer("hello from".to_owned())]
    };
    let made_inside = "Bypassed(WaypointOrigin)";
    let made_outside = "Bypassed(UpstreamBypass)";

    let path = stage.bypass("given-away", [(made_inside, 1)]);
    let meeting = stage.lab.state_dir().join("given.sock");
    let giver = Sockets::new(upstream, Kind::Plain, [Step::Connect, Step::Give(meeting.clone())]);
    let mut giver = start(&waypoint, &giver)?;
    giver.wait_until_held("give")?;
    giver.release("give")?;
    let taker = [Step::Take(meeting)].into_iter().chain(exchange(&path));
    run(&client, &Sockets::new(upstream, Kind::Plain, taker)).context("taking a socket")?;
    giver.finish()?;

    let inside = Step::Move(waypoint.cgroup().to_owned());
    for (name, expected, before) in [
        ("moved-after", made_outside, vec![Step::Socket, inside.clone(), Step::Connect]),
        ("moved-connected", made_outside, vec![Step::Connect, inside.clone()]),
        ("moved-before", made_inside, vec![inside, Step::Socket, Step::Connect]),
    ] {
        let path = stage.bypass(name, [(expected, 1)]);
        run(&client, &Sockets::new(upstream, Kind::Plain, before.into_iter().chain(exchange(&path)))).context(name)?;
    }

    let path = stage.bypass("same-address", [(made_outside, 3)]);
    gets(&client.in_network_of(&waypoint), upstream, &path, 3)?;
    Ok(())
}
