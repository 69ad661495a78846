//! Backends: one port on the loopback for each port of a Service. Each answers with who it is, and keeps who has asked it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::model::Backend;
use super::tls;

/// The header that names a request.
pub const ID: &str = "x-oracle-id";
/// Headers of an answer: which backend, and the number of this arrival.
pub const BACKEND: &str = "x-oracle-backend";
pub const ARRIVAL: &str = "x-oracle-arrival";

/// How long nothing may arrive until everything has: a mirrored request is sent beside its original and awaited by nobody.
const QUIET: Duration = Duration::from_millis(50);

type Arrivals = Arc<Mutex<HashMap<String, Vec<(u64, Backend)>>>>;

pub struct Echo {
    runtime: Runtime,
    ports: HashMap<Backend, u16>,
    arrivals: Arrivals,
    count: Arc<AtomicU64>,
}

impl Echo {
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime, ports: HashMap::new(), arrivals: Arrivals::default(), count: Arc::default() })
    }

    /// Where a backend listens; it is started when it is first asked for.
    pub fn port(&mut self, backend: &Backend) -> Result<u16> {
        if let Some(port) = self.ports.get(backend) {
            return Ok(*port);
        }
        let listener = self.runtime.block_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
        let port = listener.local_addr()?.port();
        let serving = serve(listener, backend.clone(), Arc::clone(&self.arrivals), Arc::clone(&self.count));
        self.runtime.spawn(serving);
        self.ports.insert(backend.clone(), port);
        Ok(port)
    }

    /// Waits until nothing more arrives.
    pub fn settle(&self) {
        let mut seen = (self.count.load(Ordering::SeqCst), Instant::now());
        while seen.1.elapsed() < QUIET {
            std::thread::sleep(Duration::from_millis(5));
            let count = self.count.load(Ordering::SeqCst);
            if count != seen.0 {
                seen = (count, Instant::now());
            }
        }
    }

    /// Where a request arrived, each arrival with its number; they are forgotten.
    pub fn take(&self, id: &str) -> Vec<(u64, Backend)> {
        self.arrivals.lock().expect("no holder panics").remove(id).unwrap_or_default()
    }
}

async fn serve(listener: TcpListener, backend: Backend, arrivals: Arrivals, count: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (backend, arrivals, count) = (backend.clone(), Arc::clone(&arrivals), Arc::clone(&count));
        tokio::spawn(async move {
            let answer = service_fn(move |request: hyper::Request<Incoming>| {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let id = request.headers().get(ID).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
                arrivals.lock().expect("no holder panics").entry(id).or_default().push((number, backend.clone()));
                let answer = hyper::Response::builder()
                    .header(BACKEND, backend.to_string())
                    .header(ARRIVAL, number)
                    .body(Full::new(Bytes::new()));
                std::future::ready(Ok::<_, Infallible>(answer.expect("plain headers")))
            });
            let server = Builder::new(TokioExecutor::new());
            // TLS that was passed through begins with a record of a handshake.
            let mut first = [0];
            let is_tls = stream.peek(&mut first).await.is_ok_and(|_| first[0] == 0x16);
            // Whoever breaks its connection is noticed at the other end.
            if !is_tls {
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            } else if let Ok(stream) = tls::acceptor().accept(stream).await {
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            }
        });
    }
}

/// `NAMESPACE:SERVICE:PORT`, the name of Cilium's clusters.
pub fn parse(name: &str) -> Result<Backend> {
    let parts: Vec<&str> = name.split(':').collect();
    let [namespace, service, port] = parts[..] else { anyhow::bail!("{name:?} is no NAMESPACE:SERVICE:PORT") };
    let port = port.parse().with_context(|| format!("{name:?}: the port"))?;
    Ok(Backend { namespace: namespace.to_owned(), service: service.to_owned(), port })
}
