//! A NATS server on loopback that trusts the keys of one installation.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinHandle;
use waypoint_verify::bus::keys::{Installation, Signer};
use waypoint_verify::bus::nats::{Address, AgentBus, BusError, Credentials, Streams, VerifierBus};
use waypoint_verify::bus::subject::Names;

pub struct Server {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
    pub signer: Arc<Signer>,
}

/// Signs for one node, whoever asks: what the verifier does when it has asked the API server.
struct Signed {
    signer: Arc<Signer>,
    node: String,
    life: Duration,
}

impl Credentials for Signed {
    fn token(self: Arc<Self>, user: String) -> JoinHandle<anyhow::Result<String>> {
        tokio::spawn(async move { Ok(self.signer.agent(&user, &names(), &self.node, SystemTime::now(), self.life)?) })
    }
}

pub fn names() -> Names {
    Names::new("lab")
}

impl Server {
    /// `None` where there is no NATS.
    ///
    /// # Panics
    /// Where `CI=true`: a test that cannot run there proves nothing.
    pub fn start(test: &str) -> Option<Self> {
        let found = Command::new("nats-server").arg("--version").output().is_ok_and(|output| output.status.success());
        if !found {
            assert!(std::env::var_os("CI").is_none(), "{test}: nats-server is missing");
            eprintln!("{test}: skipped, nats-server is missing (cargo xtask setup)");
            return None;
        }
        let installation = Installation::new("tests", SystemTime::now()).unwrap();
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bus-{test}"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{}\" }}\n{}",
            dir.display(),
            installation.trust()
        );
        std::fs::write(dir.join("nats.conf"), configuration).unwrap();
        let signer = Arc::new(Signer::new(&installation.account_seed).unwrap());
        let mut server = Self { dir, port, child: None, signer };
        server.resume();
        Some(server)
    }

    pub fn resume(&mut self) {
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(self.dir.join("nats.conf")).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(self.dir.join("log")).unwrap()).process_group(0);
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < super::PATIENCE, "{}", std::fs::read_to_string(self.dir.join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn address(&self) -> Address {
        Address { url: self.url(), ca: None }
    }

    pub fn streams() -> Streams {
        Streams { bytes_per_node: 1 << 20, age: Duration::from_secs(600), replicas: 1 }
    }

    /// With the stream of the watch lists.
    pub async fn verifier(&self) -> VerifierBus {
        let bus = VerifierBus::connect(&self.address(), names(), Arc::clone(&self.signer)).await.unwrap();
        bus.create_parts(&Self::streams()).await.unwrap();
        bus
    }

    pub async fn agent(&self, node: &str) -> Result<AgentBus, BusError> {
        let life = Duration::from_secs(600);
        let signed = Signed { signer: Arc::clone(&self.signer), node: node.to_owned(), life };
        AgentBus::connect(&self.address(), names(), node, Arc::new(signed)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
