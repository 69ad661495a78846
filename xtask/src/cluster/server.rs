//! etcd and kube-apiserver, as one thing that starts, ends, and can be killed in between.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use super::{Client, certificates, keeper, kubeconfig};
use crate::lab::process::Process;
use crate::setup;

/// Whoever has it is in system:masters. It opens a server on loopback, for as long as a test runs.
pub(super) const ADMIN_TOKEN: &str = "admin";

/// A server takes a core for some seconds until it is ready. Tests start many, and one after the other all are ready sooner.
static STARTING: Mutex<()> = Mutex::new(());

/// A control plane of etcd and kube-apiserver, both on loopback. RBAC and the usual admission, pod security among it, are on.
#[derive(Debug)]
pub struct ApiServer {
    dir: PathBuf,
    port: u16,
    etcd_port: u16,
    etcd: Option<Process>,
    server: Option<Process>,
    client: Client,
}

impl ApiServer {
    /// Starts both, with everything that they write below `dir`; returns when the server is ready.
    pub fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let dir = dir.canonicalize()?;
        certificates::write(&dir)?;
        fs::write(dir.join("tokens.csv"), format!("{ADMIN_TOKEN},admin,admin,system:masters\n"))?;
        let [port, etcd_port, peer_port] = free_ports()?;
        let admin = kubeconfig::by_token(&url(port), &dir.join("ca.crt"), ADMIN_TOKEN);
        kubeconfig::write(&dir.join("admin.kubeconfig"), &admin)?;
        let etcd = Some(start_etcd(&dir, etcd_port, peer_port)?);
        let client = Client::new(&dir.join("admin.kubeconfig"))?;
        let mut server = Self { dir, port, etcd_port, etcd, server: None, client };
        server.resume()?;
        Ok(server)
    }

    /// A file with which anybody is cluster admin.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The certificate that signed the server's.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Of the cluster's admin.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// kubectl as the cluster's admin.
    pub fn kubectl(&self) -> Result<Command> {
        self.kubectl_with(&self.kubeconfig())
    }

    pub fn kubectl_with(&self, kubeconfig: &Path) -> Result<Command> {
        let mut command = Command::new(setup::kubectl()?);
        // Its caches are written below HOME.
        command.env("KUBECONFIG", kubeconfig).env("HOME", &self.dir);
        Ok(command)
    }

    /// Of kube-apiserver, to pause it; none while it is killed.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Process::pid)
    }

    /// SIGKILL for kube-apiserver. etcd, and with it every object, stays.
    pub fn kill(&mut self) {
        // Dropping it kills and reaps it.
        self.server = None;
    }

    /// Starts kube-apiserver again, on the same port, and waits until it is ready.
    pub fn resume(&mut self) -> Result<()> {
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = keeper::start("kube-apiserver", self.command()?, &self.dir)?;
        let (client, dir) = (&self.client, self.dir.clone());
        server
            .ready("readiness", || client.get_text("/readyz").map(|answer| (answer == "ok").then_some(())))
            .with_context(|| format!("the API server does not start: see the logs in {}", dir.display()))?;
        self.server = Some(server);
        Ok(())
    }

    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.resume()
    }

    fn command(&self) -> Result<Command> {
        let dir = &self.dir;
        let mut command = Command::new(setup::kube_apiserver()?);
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", self.port),
            // A cluster's server would tell its address to pods; nobody here reads it.
            "--advertise-address=127.0.0.1".into(),
            "--endpoint-reconciler-type=none".into(),
            // Of both families, as the lab has them.
            "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/108".into(),
            "--allow-privileged=true".into(),
            "--authorization-mode=RBAC".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            // Nodes' own addresses lead into the lab's networks, where the API server is not.
            "--kubelet-preferred-address-types=InternalDNS,InternalIP".into(),
        ]);
        for (flag, file) in [
            ("cert-dir", "."),
            ("tls-cert-file", "tls.crt"),
            ("tls-private-key-file", "tls.key"),
            ("kubelet-certificate-authority", "ca.crt"),
            ("token-auth-file", "tokens.csv"),
            ("service-account-signing-key-file", "service-accounts.key"),
            ("service-account-key-file", "service-accounts.pub"),
        ] {
            command.arg(format!("--{flag}={}", dir.join(file).display()));
        }
        Ok(command)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // The server first: it complains at length when its store goes.
        self.server = None;
        self.etcd = None;
    }
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Ports that nobody has now. All are held until all are known.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let held: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<u16> =
        held.iter().map(|l| l.local_addr().map(|address| address.port())).collect::<Result<_, _>>()?;
    match ports.try_into() {
        Ok(ports) => Ok(ports),
        Err(_) => bail!("not as many ports as were asked for"),
    }
}

fn start_etcd(dir: &Path, port: u16, peer_port: u16) -> Result<Process> {
    let (url, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    let mut command = Command::new(setup::etcd()?);
    command.arg("--data-dir").arg(dir.join("etcd"));
    for (flag, value) in [
        ("--listen-client-urls", url.as_str()),
        ("--advertise-client-urls", url.as_str()),
        ("--listen-peer-urls", peer.as_str()),
        ("--initial-advertise-peer-urls", peer.as_str()),
        ("--initial-cluster", &format!("default={peer}")),
    ] {
        command.args([flag, value]);
    }
    keeper::start("etcd", command, dir)
}
