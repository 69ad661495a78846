//! Connections that are made by port-forward, for a client of HTTP that thinks they are any connections.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Portforwarder};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::Service;

use super::{Error, PORT};

/// Leads to one pod, whatever the address.
#[derive(Clone)]
pub struct Connector {
    pods: Api<Pod>,
    namespace: String,
    pod: String,
}

impl Connector {
    pub fn new(pods: Api<Pod>, namespace: &str, pod: &str) -> Self {
        Self { pods, namespace: namespace.to_owned(), pod: pod.to_owned() }
    }

    async fn open(self) -> Result<TokioIo<Forward>, Error> {
        let Self { pods, namespace, pod } = self;
        let told = |said| Error::NotForwarded { namespace: namespace.clone(), pod: pod.clone(), said };
        let forwarder = pods.portforward(&pod, &[PORT]).await;
        let mut forwarder = forwarder.map_err(|error| Error::of(error, &namespace, told))?;
        let octets = forwarder.take_stream(PORT).ok_or_else(|| told(format!("no stream for port {PORT}")))?;
        let end = Box::pin(end(forwarder, namespace, pod));
        Ok(TokioIo::new(Forward { octets, end: Some(end) }))
    }
}

/// What went wrong, once something has: first the kubelet's word for it, then that of the connection to the API server.
async fn end(mut forwarder: Portforwarder, namespace: String, pod: String) -> Option<Error> {
    let said = match forwarder.take_error(PORT) {
        Some(error) => error.await,
        None => None,
    };
    let said = match said {
        Some(said) => said,
        None => forwarder.join().await.err()?.to_string(),
    };
    Some(Error::NotForwarded { namespace, pod, said: said.trim().to_owned() })
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Forward>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}

/// An open forward. Without its `end` a forward that breaks would only be a connection that is closed.
pub struct Forward {
    octets: DuplexStream,
    end: Option<BoxFuture<'static, Option<Error>>>,
}

impl Forward {
    fn failure(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        let Poll::Ready(failure) = self.end.as_mut()?.as_mut().poll(context) else { return None };
        self.end = None;
        failure.map(io::Error::other)
    }
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.octets).poll_read(context, buffer);
        if buffer.filled().len() > before {
            return read;
        }
        self.failure(context).map_or(read, |failure| Poll::Ready(Err(failure)))
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.octets).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_shutdown(context)
    }
}

impl Connection for Forward {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
