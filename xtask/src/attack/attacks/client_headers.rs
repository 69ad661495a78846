//! J. Headers by which a client can take evidence away from its own request, to be called Bypassed wrongly or to hide the true cause of
//! another one: forged x-forwarded-for and x-request-id, a traceparent that its Connection header names (both proxies drop it), two
//! traceparents, retries on demand, an authority that ends in -shadow, x-envoy-original-path.
//!
//! Verified all the same: every constraint of linking holds only where its guard does. Retries are four departures that one entry
//! pays for.

use anyhow::{Context, Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::{Request, Script};

const EACH: u64 = 3;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub const ATTACK: Attack = Attack {
    name: "client-headers",
    source: "J E39",
    about: "headers with which a client could take a cause from its request: forged, dropped, doubled, retried",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let (client, front) = (stage.lab.client("client-4")?, stage.lab.gateway("hello-gateway")?);
    let rows: [(&str, &[(&str, &str)]); 9] = [
        ("forged-xff", &[("X-Forwarded-For", "10.244.1.2, 10.244.1.10")]),
        ("empty-xff", &[("X-Forwarded-For", ""), ("X-Forwarded-For", " , ")]),
        ("many-xff", &[("X-Forwarded-For", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2:80 ,, [::1]")]),
        ("request-id", &[("x-request-id", "3f2504e0-4f89-41d3-9a0c-0305e82c3301")]),
        ("connection-listed", &[("traceparent", TRACE), ("Connection", "traceparent, x-a"), ("x-a", "1")]),
        (
            "two-traceparents",
            &[("traceparent", TRACE), ("traceparent", "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01")],
        ),
        ("bad-traceparent", &[("traceparent", "zz-not-a-trace")]),
        ("original-path", &[("x-envoy-original-path", "/other"), ("x-envoy-attempt-count", "7")]),
        ("cookies", &[("Cookie", "a=1"), ("Cookie", "b=2"), ("Accept", "a"), ("Accept", "b")]),
    ];
    for (name, headers) in rows {
        let path = stage.legitimate(name, [("Verified", EACH)]);
        let request = headers.iter().fold(Request::get(&path), |request, (name, value)| request.header(name, value));
        send(&client, front, vec![request; EACH as usize]).with_context(|| name.to_owned())?;
    }
    let path = stage.legitimate("shadow", [("Verified", EACH)]);
    send(&client, front, vec![Request::get(&path).host("hello.example-shadow"); EACH as usize])?;

    let path = stage.legitimate("retries", [("Verified", 4 * EACH)]);
    // The backend answers 503 to this query.
    let retried = Request::get(&format!("{path}?status=503"))
        .header("x-envoy-retry-on", "5xx")
        .header("x-envoy-max-retries", "3");
    let outcomes = client.run(&Script::keep_alive(front, vec![retried; EACH as usize]))?;
    ensure!(outcomes.iter().all(|outcome| outcome.status == 503), "not answered with 503: {outcomes:?}");
    Ok(())
}
