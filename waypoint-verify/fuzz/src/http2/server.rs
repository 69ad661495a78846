//! The second parser: h2's server on a connection in memory.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::plan::PREFACE;
use h2::RecvStream;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What h2 made of the octets of one connection.
#[derive(Clone, Debug, Default)]
pub struct Served {
    pub requests: Vec<Request>,
    /// Streams that it reset.
    pub resets: Vec<u32>,
    /// It said GOAWAY, or gave up in another way.
    pub gone: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub stream: u32,
    pub method: Vec<u8>,
    /// Path and query; the authority for CONNECT.
    pub target: Vec<u8>,
    pub authority: Option<Vec<u8>>,
    /// Sorted by name.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Octets of content, once all of it was read.
    pub content: Option<u64>,
    /// Octets of content that have come.
    pub so_far: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Stream,
    /// With what it said.
    Connection(String),
}

impl Served {
    pub fn refusal(&self, stream: u32) -> Option<Refusal> {
        if self.resets.contains(&stream) { Some(Refusal::Stream) } else { self.gone.clone().map(Refusal::Connection) }
    }
}

/// # Panics
/// Never: nothing borrows the wire for longer than a call.
pub fn serve(octets: &[u8]) -> Served {
    let mut context = Context::from_waker(Waker::noop());
    let mut builder = h2::server::Builder::new();
    // As much as the protocol has: what is refused for its size is no matter of framing.
    builder.max_frame_size((1 << 24) - 1).max_header_list_size(1 << 20).max_concurrent_streams(10_000);
    builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    builder.max_pending_accept_reset_streams(10_000).max_local_error_reset_streams(None);
    builder.max_concurrent_reset_streams(10_000).enable_connect_protocol();
    let wire: Rc<RefCell<Wire>> = Rc::new(RefCell::new(Wire { octets: octets.to_vec(), ..Wire::default() }));
    let mut handshake = Box::pin(builder.handshake::<_, Bytes>(Octets(wire.clone())));
    let mut served = Served::default();
    let mut connection = None;
    let mut open = Vec::new();
    // Frame by frame: an error makes h2 forget the requests that nobody has accepted yet.
    for limit in frames(octets) {
        wire.borrow_mut().limit = limit;
        if connection.is_none() {
            match handshake.as_mut().poll(&mut context) {
                Poll::Ready(Ok(established)) => connection = Some(established),
                Poll::Ready(Err(error)) => served.gone = Some(error.to_string()),
                Poll::Pending => continue,
            }
        }
        let Some(connection) = &mut connection else { break };
        loop {
            match connection.poll_accept(&mut context) {
                Poll::Ready(Some(Ok((request, answer)))) => {
                    let (head, body) = request.into_parts();
                    // The answer is kept: dropped, it would reset the stream.
                    open.push((body, answer));
                    served.requests.push(summary(u32::from(open[open.len() - 1].1.stream_id()), &head));
                    continue;
                }
                Poll::Ready(Some(Err(error))) => served.gone = Some(error.to_string()),
                Poll::Ready(None) => served.gone = Some("closed".into()),
                Poll::Pending => {}
            }
            break;
        }
        for ((body, _), request) in open.iter_mut().zip(&mut served.requests) {
            read(&mut context, body, request);
        }
        if served.gone.is_some() {
            break;
        }
    }
    if let Some(connection) = &mut connection {
        // What it has to say is written out.
        let _ = connection.poll_closed(&mut context);
    }
    drop((open, connection, handshake));
    notices(&wire.borrow().written, &mut served);
    served
}

/// Where frames end.
fn frames(octets: &[u8]) -> Vec<usize> {
    let mut ends = vec![PREFACE.len()];
    let mut at = PREFACE.len();
    while let Some([a, b, c]) = octets.get(at..at + 3) {
        at += 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        ends.push(at.min(octets.len()));
    }
    ends.push(octets.len());
    ends
}

fn read(context: &mut Context<'_>, body: &mut RecvStream, request: &mut Request) {
    while request.content.is_none() {
        match body.poll_data(context) {
            Poll::Ready(Some(Ok(data))) => request.so_far += data.len() as u64,
            Poll::Ready(None) => {
                // After the content come trailers, or nothing.
                let trailers = matches!(body.poll_trailers(context), Poll::Ready(Ok(_)));
                request.content = (trailers || body.is_end_stream()).then_some(request.so_far);
                return;
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => return,
        }
    }
}

/// RST_STREAM (3) and GOAWAY (7) among the frames that it wrote.
fn notices(mut written: &[u8], served: &mut Served) {
    while let Some((header, rest)) = written.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        match header[3] {
            3 => served.resets.push(stream),
            7 if rest.get(4..8).is_some_and(|code| code != [0; 4]) => {
                served.gone.get_or_insert_with(|| format!("GOAWAY {:?}", &rest[4..8]));
            }
            _ => {}
        }
        written = rest.get(length..).unwrap_or_default();
    }
}

fn summary(stream: u32, head: &hyper::http::request::Parts) -> Request {
    let field = |(name, value): (&hyper::http::HeaderName, &hyper::http::HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    let mut fields: Vec<_> = head.headers.iter().map(field).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes().to_vec());
    Request {
        stream,
        method: head.method.as_str().into(),
        target: match head.uri.path_and_query() {
            Some(target) => target.as_str().into(),
            None => authority.clone().unwrap_or_default(),
        },
        authority,
        fields,
        content: None,
        so_far: 0,
    }
}

/// Both directions of the connection.
#[derive(Default)]
struct Wire {
    octets: Vec<u8>,
    read: usize,
    /// So many octets have come.
    limit: usize,
    written: Vec<u8>,
}

/// Gives its octets up to the limit, then nothing more, without an end.
struct Octets(Rc<RefCell<Wire>>);

impl AsyncRead for Octets {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        let to = wire.limit.min(wire.octets.len()).min(wire.read + buf.remaining());
        if to <= wire.read {
            return Poll::Pending;
        }
        buf.put_slice(&wire.octets[wire.read..to]);
        wire.read = to;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Octets {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
