//! E10. A client sends a genuine request's headers (traceparent, x-request-id, x-forwarded-for of both proxies) straight to the
//! backend: before the genuine request, and after it.
//!
//! Bypassed(DirectConnection): headers buy nothing, and neither copy takes the genuine request's evidence away, which stays Verified.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;
use crate::demo::past;

const EACH: u64 = 4;

pub const ATTACK: Attack = Attack {
    name: "header-replay",
    source: "E10",
    about: "a genuine request's headers, sent straight to the backend before and after it",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-1")?;
    let (backend, front) = (stage.lab.pod("hello-backend-1")?, stage.lab.gateway("hello-gateway")?);
    let before = stage.bypass("before", [("Bypassed(DirectConnection)", EACH)]);
    let genuine = stage.legitimate("genuine", [("Verified", EACH)]);
    let after = stage.bypass("after", [("Bypassed(DirectConnection)", EACH)]);
    for (to, path) in [(backend, before), (front, genuine), (backend, after)] {
        let requests = (0..EACH).map(|n| {
            Request::get(&path)
                .header("traceparent", &format!("00-{:032x}-{:016x}-01", 0xe10_0000 + n, 0x1 + n))
                .header("x-request-id", &format!("3f2504e0-4f89-41d3-9a0c-{n:012}"))
                .header("x-forwarded-for", past::GENUINE)
        });
        send(&client, to, requests.collect())?;
    }
    Ok(())
}
