//! Conversations of the `h2` crate's client and server, recorded.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Data,
    Trailers,
    Reset,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub fields: Vec<(String, String)>,
    pub content: Vec<Vec<u8>>,
    pub ending: Ending,
    /// Whether `content-length` is sent.
    pub declares: bool,
}

impl Ask {
    pub fn declared(&self) -> Option<u64> {
        let length: usize = self.content.iter().map(Vec::len).sum();
        (self.declares && self.ending != Ending::Reset).then_some(length as u64)
    }

    fn whole_in_its_head(&self) -> bool {
        self.content.is_empty() && self.ending == Ending::Data
    }
}

#[derive(Debug)]
pub struct Talk {
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
}

pub fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let name = prop_oneof![
        Just("user-agent".to_owned()),
        Just("cookie".to_owned()),
        Just("x-request-id".to_owned()),
        Just("te".to_owned()),
        "x-[a-z]{1,8}",
    ];
    let field = (name, "[!-~]([ -~]{0,40}[!-~])?").prop_map(|(name, value)| match name.as_str() {
        "te" => (name, "trailers".to_owned()),
        _ => (name, value),
    });
    let content = vec(prop_oneof![5 => vec(any::<u8>(), 0..300), 1 => vec(any::<u8>(), 17_000..40_000)], 0..4);
    let ending = prop_oneof![4 => Just(Ending::Data), 2 => Just(Ending::Trailers), 1 => Just(Ending::Reset)];
    let head = ("[A-Z]{3,8}x", "/[a-z0-9/]{0,30}", vec(field, 0..8));
    let ask = (head, content, ending, any::<bool>()).prop_map(|((method, path, fields), content, ending, declares)| {
        Ask { method, path, fields, content, ending, declares }
    });
    vec(ask, 1..9)
}

pub fn talk(asks: &[Ask]) -> Talk {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(conversation(asks))
}

async fn conversation(asks: &[Ask]) -> Talk {
    let (client, client_far) = duplex(1 << 20);
    let (server, server_far) = duplex(1 << 20);
    let (to_server, to_client) = (Arc::default(), Arc::default());
    let (from_client, into_client) = split(client_far);
    let (from_server, into_server) = split(server_far);
    let pumps = [
        tokio::spawn(record(from_client, into_server, Arc::clone(&to_server))),
        tokio::spawn(record(from_server, into_client, Arc::clone(&to_client))),
    ];
    let serving = tokio::spawn(serve(server));
    ask_all(client, asks).await;
    serving.await.unwrap();
    for pump in pumps {
        pump.await.unwrap();
    }
    let taken = |octets: &Mutex<Vec<u8>>| std::mem::take(&mut *octets.lock().unwrap());
    Talk { to_server: taken(&to_server), to_client: taken(&to_client) }
}

async fn record(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, octets: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 8192];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        octets.lock().unwrap().extend_from_slice(&buffer[..n]);
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

async fn ask_all(io: tokio::io::DuplexStream, asks: &[Ask]) {
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let (mut sending, mut answers) = (Vec::new(), Vec::new());
    // All heads first, then content in turn: the streams are concurrent.
    for ask in asks {
        client = client.ready().await.unwrap();
        let (answer, stream) = client.send_request(head(ask), ask.whole_in_its_head()).unwrap();
        sending.push((ask, stream));
        answers.push(answer);
    }
    for turn in 0..4 {
        for (ask, stream) in &mut sending {
            if let Some(content) = ask.content.get(turn) {
                let last = turn + 1 == ask.content.len() && ask.ending == Ending::Data;
                stream.send_data(Bytes::from(content.clone()), last).unwrap();
            }
        }
        tokio::task::yield_now().await;
    }
    for (ask, stream) in &mut sending {
        match ask.ending {
            Ending::Data => {}
            Ending::Trailers => {
                let trailers =
                    HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))]);
                stream.send_trailers(trailers).unwrap();
            }
            Ending::Reset => stream.send_reset(h2::Reason::CANCEL),
        }
    }
    for answer in answers {
        if let Ok(response) = answer.await {
            let mut body = response.into_body();
            while let Some(Ok(octets)) = body.data().await {
                let _ = body.flow_control().release_capacity(octets.len());
            }
        }
    }
    drop((client, sending));
    driver.await.unwrap().unwrap();
}

fn head(ask: &Ask) -> Request<()> {
    let mut request = Request::builder().method(ask.method.as_str()).uri(format!("http://a.example:80{}", ask.path));
    for (name, value) in &ask.fields {
        request = request.header(name, value);
    }
    if let Some(length) = ask.declared() {
        request = request.header("content-length", length);
    }
    request.body(()).unwrap()
}

async fn serve(io: tokio::io::DuplexStream) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    let mut n = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        n += 1;
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(octets)) = body.data().await {
                let _ = body.flow_control().release_capacity(octets.len());
            }
            let _ = body.trailers().await;
            let Ok(mut stream) = respond.send_response(Response::new(()), n % 3 == 0) else { return };
            if n % 3 != 0 {
                let _ = stream.send_data(Bytes::from(vec![b'x'; 700 * n]), n % 3 == 1);
            }
            if n % 3 == 2 {
                let _ = stream.send_trailers(HeaderMap::new());
            }
        });
    }
}
