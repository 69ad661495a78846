//! Sends one request over a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::uri::Authority;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::verifier::canary::Sent;

/// For a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who sends.
pub const AGENT: &str = concat!("waypoint-verify/", env!("CARGO_PKG_VERSION"));

pub fn nothing() -> Empty<Bytes> {
    Empty::new()
}

/// Whatever the network does is an outcome.
pub async fn send(address: &Authority, request: Request<Empty<Bytes>>) -> Sent {
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address.as_str())).await;
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
