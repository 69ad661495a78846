//! Legitimate load: real clients on the demanded path. Nothing of it may be called Bypassed, and what is not Verified has a reason that
//! its file states.

pub mod curl;
pub mod go;
pub mod grpc;
pub mod load;
pub mod mixed;
pub mod overload;
pub mod python;
pub mod restarts;
pub mod routes;
pub mod websocket;

use anyhow::Result;

use super::stage::Stage;
use crate::demo::Count;
use crate::lab::Place;

/// Debian's own Python: the one that Debian's packages for Python are for.
const PYTHON: &str = "/usr/bin/python3";

/// Declares labels of requests that are all Verified; `path` of the first one without its name is what a client is told.
fn all_verified(stage: &mut Stage, rows: &[(&str, u64)]) {
    for (name, count) in rows {
        stage.legitimate(name, [("Verified", *count)]);
    }
}

/// Runs a program that knows the front door and the beginning of its paths, to its end.
fn play(stage: &Stage, place: &Place, program: &str, arguments: &[&str], attack: &str) -> Result<()> {
    let front = stage.lab.gateway("hello-gateway")?.to_string();
    let path = format!("/legit/{attack}");
    place.output(program, &[arguments, &[front.as_str(), path.as_str()]].concat())?;
    Ok(())
}

/// As many as came, at least so many: where a client does not say how many it sent.
fn some(count: u64) -> (&'static str, Count) {
    ("Verified", Count::AtLeast(count))
}
