//! J, M. A route past the waypoint forges all that a genuine, concurrent request carries: its filters set x-forwarded-for, traceparent
//! and x-request-id to what a genuine one has, and rewrite the path. Only the backend's own log tells the two apart here.
//!
//! None of the forged is Verified. The route is named as destroying evidence, and takes the constraint away only from departures that
//! carry its constants: genuine ones that took the other waypoint stay Verified, those that look like the forged are
//! Unverified(ambiguous).

use anyhow::Result;

use crate::attack::label::IN_ALL;
use crate::attack::stage::Stage;
use crate::attack::traffic::answered;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script, Step};
use crate::demo::{Count, past};

const EACH: usize = 30;
const TRACE: &str = "00-00000000000000000000000000000f07-00000000000000f1-01";

pub const ATTACK: Attack = Attack {
    name: "forging-route",
    source: "J M",
    about: "a route past the waypoint forges every header and the path of genuine requests",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.apply(&past::forging(TRACE, "/same"))?;
    stage.told_by_backends();
    stage.observe(&[])?;
    let genuine = stage.legitimate(
        "genuine",
        [("Verified", Count::AtLeast(1)), ("Unverified(ambiguous)", Count::Any), (IN_ALL, Count::Exactly(EACH as u64))],
    );
    let forged = stage.bypass(
        "forged",
        [
            ("Bypassed(RouteBypass)", Count::Any),
            ("Unverified(ambiguous)", Count::AtLeast(1)),
            (IN_ALL, Count::Exactly(EACH as u64)),
        ],
    );
    let to = stage.lab.gateway("hello-gateway")?;
    // Both are connected before either begins, so that they are on their way at the same time however long a client takes to start.
    let waiting = |client: &str, request: Request| -> Result<_> {
        let mut connection = Connection::new(to, vec![request; EACH]);
        connection.steps.splice(0..0, [Step::Connect, Step::Wait("begin".to_owned())]);
        let mut held = stage.lab.client(client)?.spawn(&Script { connections: vec![connection] })?;
        held.wait_until_held("begin", 1)?;
        Ok(held)
    };
    let honest = Request::get("/same").header("traceparent", TRACE).header("User-Agent", &genuine);
    let mut honest = waiting("client-1", honest)?;
    let mut forging = waiting("client-3", Request::get("/forge").header("User-Agent", &forged))?;
    honest.release("begin")?;
    forging.release("begin")?;
    answered(forging.finish()?, EACH)?;
    answered(honest.finish()?, EACH)?;
    let named = stage.ready["findings"].to_string().contains("hello/forging");
    stage.claim("the route is named as destroying evidence", named);
    stage.settle()?;
    stage.exits(&[1, 3])
}
