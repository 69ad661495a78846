//! E11. A request's body holds another request's head, by length, in chunks, and as a part of a multipart body; once through the path
//! and once straight to the backend.
//!
//! One verdict for each request, none for what its body holds: framing is strict, so a body is never searched for heads.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::{Body, Request};

pub const ATTACK: Attack = Attack {
    name: "head-in-body",
    source: "E11",
    about: "a request head inside a body: by length, in chunks, in a multipart",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-3")?;
    let (backend, front) = (stage.lab.pod("hello-backend-1")?, stage.lab.gateway("hello-gateway")?);
    let genuine = stage.legitimate("outer", [("Verified", 3)]);
    let direct = stage.bypass("outer", [("Bypassed(DirectConnection)", 3)]);
    let inner = stage.refused("inner");
    let head = format!("GET {inner} HTTP/1.1\r\nHost: hello.example\r\n\r\n");
    let part = format!("--b\r\nContent-Type: message/http\r\n\r\n{head}\r\n--b--\r\n");
    for (to, path) in [(front, genuine), (backend, direct)] {
        let post = |body| Request::new("POST", &path).body(body);
        let multipart = post(Body::Text(part.clone())).header("Content-Type", "multipart/mixed; boundary=b");
        send(&client, to, vec![post(Body::Text(head.clone())), post(Body::Chunks(vec![head.clone(); 2])), multipart])?;
    }
    Ok(())
}
