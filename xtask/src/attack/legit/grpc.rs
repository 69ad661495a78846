//! A gRPC client and server by their own library: unary calls at once on one connection, streams, a stream that is given up, a large
//! message, an error in trailers. HTTP/2 from end to end: Envoy passes on what it gets, and the waypoint speaks h2c for gRPC.
//!
//! Verified, each call one request.

use anyhow::Result;

use super::{PYTHON, all_verified};
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::lab::patience;
use crate::lab::process::Process;

pub const ATTACK: Attack = Attack {
    name: "legit-grpc",
    source: "clients",
    about: "gRPC's own client and server: unary calls at once, streams, cancellation, errors",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let mut servers = Vec::new();
    for pod in ["hello-backend-1", "hello-backend-2"] {
        let socket = stage.lab.grpc_socket(pod, "caddy")?;
        let mut command = stage.lab.container(pod, "caddy")?.command(PYTHON)?;
        command.args(["-c", include_str!("grpc_server.py")]).arg(&socket);
        servers.push(Process::start(&format!("{pod}-grpc"), command, &stage.lab.state_dir().join("logs"))?);
        patience::wait("the gRPC server", || Ok(socket.exists().then_some(())))?;
    }
    all_verified(stage, &[("unary", 20), ("large", 1), ("stream", 3), ("cancelled", 2), ("fail", 1)]);
    let client = stage.lab.client("client-8")?;
    super::play(stage, &client, PYTHON, &["-c", include_str!("grpc_client.py")], ATTACK.name)
}
