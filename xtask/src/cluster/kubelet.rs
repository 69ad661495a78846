//! The kubelet for one thing: it takes a port-forward from the API server and leads it to where the lab runs what the pod would.
//!
//! As a kubelet does for WebSockets (`v4.channel.k8s.io`): of one port, channel 0 has the octets and channel 1 what went wrong; on each the
//! first message is the port. Unlike one, it asks nobody for a certificate: whatever it leads to asks by itself who comes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::Client;

const PROTOCOL: &str = "v4.channel.k8s.io";
const OCTETS: u8 = 0;
const ERROR: u8 = 1;

/// It ends, and with it every forward, when this is dropped.
#[derive(Debug)]
pub struct Kubelet {
    pub port: u16,
    pods: Arc<Pods>,
    /// What it does, it does in there.
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct Pods {
    /// Of namespace and name.
    places: Mutex<BTreeMap<(String, String), SocketAddr>>,
    /// Names of those that were forwarded to, in order.
    forwarded: Mutex<Vec<String>>,
}

impl Kubelet {
    /// `certificates`: where kubelet.crt and kubelet.key are.
    pub fn start(certificates: &Path) -> Result<Self> {
        let certificate = CertificateDer::from_pem_file(certificates.join("kubelet.crt"))?;
        let key = PrivateKeyDer::from_pem_file(certificates.join("kubelet.key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = TlsAcceptor::from(Arc::new(tls.with_no_client_auth().with_single_cert(vec![certificate], key)?));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let pods = Arc::<Pods>::default();
        let of_task = Arc::clone(&pods);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, pods) = (tls.clone(), Arc::clone(&of_task));
                // One that fails is the API server's to notice.
                tokio::spawn(async move { forward(tls.accept(stream).await?, &pods).await });
            }
        });
        Ok(Self { port, pods, _runtime: runtime })
    }

    /// From now on any port of this pod is there.
    pub fn runs(&self, namespace: &str, pod: &str, at: SocketAddr) {
        lock(&self.pods.places).insert((namespace.to_owned(), pod.to_owned()), at);
    }

    /// The pods that were forwarded to since this was asked last, in order.
    pub fn forwarded(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.pods.forwarded))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Where the API server finds the kubelet of a node.
    pub fn kubelet(&self, node: &str, port: u16) -> Result<()> {
        let status = json!({
            "addresses": [{"type": "InternalDNS", "address": "localhost"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        });
        let nodes: Api<Node> = Api::all(self.kube());
        let patch = Patch::Strategic(json!({ "status": status }));
        self.run(nodes.patch_status(node, &PatchParams::default(), &patch)).with_context(|| format!("Node {node}"))?;
        Ok(())
    }
}

/// What the API server asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    namespace: String,
    pod: String,
    port: u16,
}

/// `/portForward/NAMESPACE/POD?port=PORT`; one port only.
fn asked(uri: &http::Uri) -> Option<Asked> {
    let mut parts = uri.path().strip_prefix("/portForward/")?.split('/');
    let (namespace, pod) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let port = uri.query()?.split('&').find_map(|field| field.strip_prefix("port="))?.parse().ok()?;
    parts.next().is_none().then_some(Asked { namespace, pod, port })
}

async fn forward<S: AsyncRead + AsyncWrite + Unpin>(stream: S, pods: &Pods) -> Result<()> {
    let mut found = None;
    #[expect(clippy::result_large_err, reason = "tungstenite's own type")]
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let refused = |why: &str| {
            let mut refusal = ErrorResponse::new(Some(why.to_owned()));
            *refusal.status_mut() = http::StatusCode::NOT_FOUND;
            refusal
        };
        let asked = asked(request.uri()).ok_or_else(|| refused("not a port-forward"))?;
        let place = lock(&pods.places).get(&(asked.namespace, asked.pod.clone())).copied();
        let place = place.ok_or_else(|| refused("pod does not exist"))?;
        lock(&pods.forwarded).push(asked.pod);
        found = Some((asked.port, place));
        let protocol = http::HeaderValue::from_static(PROTOCOL);
        response.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(response)
    };
    let (mut to_api_server, mut from_api_server) = accept_hdr_async(stream, answer).await?.split();
    let (port, place) = found.context("an answer without a question")?;
    for channel in [OCTETS, ERROR] {
        let [low, high] = port.to_le_bytes();
        to_api_server.send(Message::binary(vec![channel, low, high])).await?;
    }
    let pod = match TcpStream::connect(place).await {
        Ok(pod) => pod,
        Err(error) => {
            let told = format!("error forwarding port {port}: {error}");
            to_api_server.send(Message::binary([&[ERROR], told.as_bytes()].concat())).await?;
            return Ok(to_api_server.close().await?);
        }
    };
    let (mut from_pod, mut to_pod) = pod.into_split();
    let there = async {
        while let Some(message) = from_api_server.next().await {
            match message? {
                Message::Binary(message) if message.first() == Some(&OCTETS) => to_pod.write_all(&message[1..]).await?,
                Message::Close(_) => break,
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    let back = async {
        let mut message = vec![OCTETS; 16 << 10];
        loop {
            let count = from_pod.read(&mut message[1..]).await?;
            if count == 0 {
                return anyhow::Ok(to_api_server.close().await?);
            }
            to_api_server.send(Message::binary(message[..=count].to_vec())).await?;
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_forward_is_asked_for_by_namespace_pod_and_port() {
        let asked = |uri: &str| asked(&uri.parse().unwrap());
        let found = Asked { namespace: "n".into(), pod: "p".into(), port: 8443 };
        assert_eq!(asked("/portForward/n/p?port=8443"), Some(found));
        for other in ["/portForward/n/p", "/portForward/n?port=1", "/exec/n/p?port=1", "/portForward/n/p/c?port=1"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }
}
