//! Sends one canary.

use anyhow::Context as _;

use crate::cli::send;
use crate::nonce;
use crate::verifier::canary::{Order, Sent};

/// An error is an order that makes no sense.
pub async fn send(order: &Order) -> anyhow::Result<Sent> {
    let parent = nonce::traceparent(&order.id).with_context(|| format!("{}: not a trace id", order.id))?;
    send::send(&order.method, &order.url, order.authority.as_deref(), &[("traceparent".to_owned(), parent)]).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::verifier::canary::Kind;

    fn order(port: u16) -> Order {
        Order {
            id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            kind: Kind::Compliant,
            method: "GET".to_owned(),
            url: format!("http://127.0.0.1:{port}/healthz?a=1"),
            authority: Some("shop.example".to_owned()),
        }
    }

    #[tokio::test]
    async fn the_nonce_travels_as_trace_id_and_the_status_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let order = order(listener.local_addr().unwrap().port());
        let serving = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = socket.read(&mut head).await.unwrap();
            socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(head[..length].to_vec()).unwrap()
        };
        let (sent, head) = tokio::join!(send(&order), serving);
        assert_eq!(sent.unwrap(), Sent::Answered(404));
        assert!(head.starts_with("GET /healthz?a=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: shop.example\r\n"), "{head}");
        let expected = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0af7651916cd43dd-00\r\n";
        assert!(head.contains(expected), "{head}");
    }

    #[tokio::test]
    async fn what_is_refused_is_told_apart_from_what_breaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let closing = async { drop(listener.accept().await.unwrap()) };
        let order = order(port);
        let (sent, ()) = tokio::join!(send(&order), closing);
        assert!(matches!(sent.unwrap(), Sent::Broken(_)));
        drop(listener);
        assert!(matches!(send(&order).await.unwrap(), Sent::NotConnected(_)));
    }
}
