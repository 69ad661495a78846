//! Configuration of the Caddy containers: the waypoint and the backend.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::address::socket;
use super::place::Place;
use super::plan::{Container, Plan, Pod};
use super::process::Process;
use super::topology::Program;

/// How a waypoint is to behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variant {
    /// A reverse proxy as one would write it.
    #[default]
    Plain,
    /// With an active health check of its upstream: requests that nobody sent.
    HealthCheck,
    /// The same, and each looks like a client's request that came through the gateway of the waypoint's node.
    HealthCheckLikeAClient,
    /// Speaks HTTP/2 to its upstream, whatever its clients speak.
    H2c,
}

/// How a health check that looks like a client's request can be told from one in a backend's log; a verifier does not compare it.
pub const HEALTH_AGENT: &str = "/bypass/made-up/health";

/// Starts a container's Caddy in `dir`; `ready` of the process tells when it listens.
pub fn start(
    plan: &Plan,
    place: &Place,
    pod: &Pod,
    container: &Container,
    variant: Variant,
    dir: &Path,
    logs: &Path,
) -> Result<Process> {
    fs::create_dir_all(dir)?;
    let file = dir.join("Caddyfile");
    fs::write(&file, caddyfile(plan, pod, container, variant, dir)?)?;
    let mut command = place.command("caddy")?;
    command.arg("run").arg("--config").arg(&file).args(["--adapter", "caddyfile"]);
    // Caddy keeps things below these; nothing is to be left behind.
    command.env("HOME", dir).env("XDG_CONFIG_HOME", dir).env("XDG_DATA_HOME", dir);
    Process::start(&format!("{}-{}-{}", pod.name, container.name, container.restarts), command, logs)
}

/// Where the backend's body reader listens.
pub fn sink_socket(dir: &Path) -> std::path::PathBuf {
    dir.join("sink.sock")
}

/// Where a backend writes down what it serves.
pub fn access_log(dir: &Path) -> std::path::PathBuf {
    dir.join("access.log")
}

/// Where a gRPC server may listen; calls with the header `X-Lab-Echo` are handed to it.
pub fn grpc_socket(dir: &Path) -> std::path::PathBuf {
    dir.join("grpc.sock")
}

fn caddyfile(plan: &Plan, pod: &Pod, container: &Container, variant: Variant, dir: &Path) -> Result<String> {
    let ports: Vec<_> = container.ports.iter().map(|port| format!(":{}", port.port)).collect();
    let site = match &container.run {
        Program::Waypoint { gateway, port } => {
            let upstream = socket(plan.gateway(gateway)?.cluster_ip.v4(), *port);
            let health = match variant {
                Variant::Plain | Variant::H2c => String::new(),
                Variant::HealthCheck => health_check(""),
                Variant::HealthCheckLikeAClient => {
                    let peer = plan.node(&pod.node)?.ingress.v4();
                    health_check(&format!(
                        "\t\thealth_headers {{\n\t\t\tHost hello.example\n\t\t\tUser-Agent {HEALTH_AGENT}\n\t\t\tX-Forwarded-For {peer}\n\t\t}}\n"
                    ))
                }
            };
            let scheme = if variant == Variant::H2c { "h2c://" } else { "" };
            // gRPC needs HTTP/2 all the way.
            format!(
                "\t@grpc protocol grpc\n\treverse_proxy @grpc h2c://{upstream}\n\treverse_proxy {scheme}{upstream}{health}\n"
            )
        }
        // The answer says what came in, so that a test can see it without looking at packets.
        Program::Backend => format!(
            "{log}\theader X-Lab-Pod {pod}\n\
             \theader X-Lab-Forwarded-For \"{{http.request.header.X-Forwarded-For}}\"\n\
             \theader X-Lab-Request-Id \"{{http.request.header.X-Request-Id}}\"\n\
             \theader X-Lab-Uri \"{{http.request.uri}}\"\n\
             \theader X-Lab-Protocol \"{{http.request.proto}}\"\n\
             \theader X-Lab-Peer \"{{http.request.remote}}\"\n\
             \t@failing {{\n\t\texpression path('/status/503') || query({{'status': '503'}})\n\t}}\n\
             \thandle @failing {{\n\t\trespond 503\n\t}}\n\
             \t@sink {{\n\t\texpression path('/upload*', '/download/*', '/socket*') || query({{'sink': '*'}})\n\t}}\n\
             \thandle @sink {{\n\t\treverse_proxy unix/{sink}\n\t}}\n\
             \t@grpc {{\n\t\tprotocol grpc\n\t\theader X-Lab-Echo *\n\t}}\n\
             \thandle @grpc {{\n\t\treverse_proxy unix/{grpc} {{\n\t\t\ttransport http {{\n\t\t\t\tversions h2c 2\n\t\t\t}}\n\t\t}}\n\t}}\n\
             \thandle {{\n\t\trespond \"hello from {pod}\"\n\t}}\n",
            pod = pod.name,
            sink = sink_socket(dir).display(),
            log = if plan.topology.access_log {
                format!("\tlog {{\n\t\toutput file {}\n\t}}\n", access_log(dir).display())
            } else {
                String::new()
            },
            grpc = grpc_socket(dir).display(),
        ),
        Program::Envoy | Program::Idle => bail!("{}/{} does not run Caddy", pod.name, container.name),
    };
    // One port may carry HTTP/1.1 and h2c (facts A1).
    let options = "\tadmin off\n\tauto_https off\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n";
    Ok(format!("{{\n{options}}}\n{ports} {{\n{site}}}\n", ports = ports.join(", ")))
}

fn health_check(headers: &str) -> String {
    format!(" {{\n\t\thealth_uri /healthz\n\t\thealth_interval 50ms\n{headers}\t}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::topology::Topology;

    #[test]
    fn a_waypoint_dials_the_address_of_the_gateway_behind_it() {
        let plan = Plan::new("t", &Topology::standard()).unwrap();
        let pod = plan.pod("hello-waypoint-2").unwrap();
        let text = |variant| caddyfile(&plan, pod, &pod.containers[0], variant, Path::new("/d")).unwrap();
        assert!(text(Variant::Plain).contains("\n\treverse_proxy 10.96.0.82:8082\n}"));
        assert!(text(Variant::H2c).contains("\n\treverse_proxy h2c://10.96.0.82:8082\n}"));
        assert!(text(Variant::HealthCheck).contains("health_uri /healthz"));
    }
}
