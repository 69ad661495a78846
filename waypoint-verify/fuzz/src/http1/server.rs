//! The second parser: hyper's HTTP/1 server on a connection in memory.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, Version};

/// What hyper made of the octets of one connection.
#[derive(Clone, Debug)]
pub struct Served {
    pub requests: Vec<Request>,
    pub stop: Stop,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: Vec<u8>,
    /// Path and query.
    pub target: Vec<u8>,
    /// Of the target, not of `Host`.
    pub authority: Option<Vec<u8>>,
    pub http10: bool,
    /// Sorted by name.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Octets of content, once all of it was read.
    pub content: Option<u64>,
    /// hyper reads no further request.
    pub last: bool,
}

/// Why hyper read no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The octets are at their end, or a request asked for the connection to be closed.
    Closed,
    Refused(String),
    /// It waits for something that cannot come: a defect of this oracle.
    Stuck,
}

/// hyper has far fewer steps to make than this for the inputs of a fuzzer.
const STEPS: usize = 100_000;

type Seen = Arc<Mutex<Vec<Request>>>;

/// # Panics
/// Never: nobody panics while the requests are locked.
pub fn serve(octets: &[u8]) -> Served {
    let seen: Seen = Arc::default();
    let service = service_fn(|request| answer(seen.clone(), request));
    let mut builder = http1::Builder::new();
    builder.half_close(true).auto_date_header(false).max_headers(300);
    let mut connection = Box::pin(builder.serve_connection(Octets(octets.to_vec().into()), service));
    let mut stop = Stop::Stuck;
    for _ in 0..STEPS {
        if let Poll::Ready(outcome) = connection.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            stop = match outcome {
                Ok(()) => Stop::Closed,
                Err(error) => Stop::Refused(format!("{error:?}")),
            };
            break;
        }
    }
    drop(connection);
    let mut requests = std::mem::take(&mut *seen.lock().expect("nobody panics with it"));
    if let Some(last) = requests.last_mut() {
        last.last = stop == Stop::Closed;
    }
    Served { requests, stop }
}

async fn answer(seen: Seen, request: hyper::Request<Incoming>) -> Result<Response<Nothing>, Infallible> {
    let (head, mut body) = request.into_parts();
    let at = {
        let mut seen = seen.lock().expect("nobody panics with it");
        seen.push(summary(&head));
        seen.len() - 1
    };
    let mut content = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => content += data.len() as u64,
            Ok(Err(_trailers)) => {}
            Err(_) => return Ok(Response::new(Nothing)),
        }
    }
    seen.lock().expect("nobody panics with it")[at].content = Some(content);
    Ok(Response::new(Nothing))
}

fn summary(head: &hyper::http::request::Parts) -> Request {
    let field = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    let mut fields: Vec<_> = head.headers.iter().map(field).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes().to_vec());
    let connect = head.method == hyper::Method::CONNECT;
    Request {
        method: head.method.as_str().into(),
        target: match head.uri.path_and_query() {
            _ if connect => authority.clone().unwrap_or_default(),
            Some(target) => target.as_str().into(),
            None => b"/".to_vec(),
        },
        authority,
        http10: head.version == Version::HTTP_10,
        fields,
        content: None,
        last: false,
    }
}

/// Gives its octets, then the end; takes what is written and forgets it.
struct Octets(Bytes);

impl Read for Octets {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let n = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0.split_to(n));
        Poll::Ready(Ok(()))
    }
}

impl Write for Octets {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The content of every answer.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
