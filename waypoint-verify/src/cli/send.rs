//! Sends one request over a connection of its own.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::nonce::Sent;

/// For a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("waypoint-verify/", env!("CARGO_PKG_VERSION"));

/// `host`: other than the address of the URL. Whatever the network does is an outcome; an error is a request that makes no sense.
pub async fn send(method: &str, url: &str, host: Option<&str>, headers: &[(String, String)]) -> anyhow::Result<Sent> {
    let uri: Uri = url.parse().with_context(|| format!("{url}: not an address"))?;
    let address = uri.authority().with_context(|| format!("{url}: no address"))?;
    let request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, host.unwrap_or(address.as_str()))
        .header(header::USER_AGENT, AGENT);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(Empty::new()).with_context(|| format!("{url}: cannot be sent"))?;
    Ok(over_the_network(address.as_str(), request).await)
}

async fn over_the_network(address: &str, request: Request<Empty<Bytes>>) -> Sent {
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Sent::NotConnected(error.to_string()),
        Err(_) => return Sent::NotConnected("no connection in time".to_owned()),
    };
    let answered = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
        // It ends with the sender.
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => Sent::Answered(answer.status().as_u16()),
        Ok(Err(error)) => Sent::Broken(error.to_string()),
        Err(_) => Sent::Broken("no answer in time".to_owned()),
    }
}
