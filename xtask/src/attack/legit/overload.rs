//! Ten times more than the verifier can take: the load is real, and the verifier gets a tenth of the CPU time that this load costs it
//! (stopped and continued in turns). Its ring overflows all the time.
//!
//! Whatever it could not follow is Unverified and counted, nothing is Bypassed, its memory stays within a bound, and the gate ends
//! with 3.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::bench::{load, proc};
use crate::demo::Count;

pub const SHORT: Attack = Attack {
    name: "overload-10s",
    source: "load E36",
    about: "10 seconds of ten times more than the verifier can take",
    setting: Setting::Own,
    play: |stage| play(stage, SHORT.name, Duration::from_secs(10)),
};

pub const LONG: Attack = Attack {
    name: "overload-5min",
    source: "load E36",
    about: "5 minutes of ten times more than the verifier can take",
    setting: Setting::Long,
    play: |stage| play(stage, LONG.name, Duration::from_secs(300)),
};

/// What may be said of a request while records are lost.
const EXPECTED: [&str; 8] = [
    "Verified",
    "Unverified(bound)",
    "Unverified(lost)",
    "Unverified(gap)",
    "Unverified(noDeparture)",
    "Unverified(ambiguous)",
    "Unverified(predatesAgent)",
    // On a fast machine more is sent than the judge remembers.
    "Unverified(evicted)",
];
/// How much more there is than can be taken.
const TIMES: u32 = 10;
const PERIOD: Duration = Duration::from_millis(200);
/// Ring (16 MiB, mapped twice), tables and queues at their bounds.
const MEMORY_KIB: u64 = 400 * 1024;

fn play(stage: &mut Stage, attack: &str, time: Duration) -> Result<()> {
    stage.observe_quietly(&["--timeout", "3600"])?;
    let (client, front) = (stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?);
    let pid = stage.verifier()?.pid();
    let path = stage.declare(Intent::Legitimate, "through", EXPECTED.map(|what| (what, Count::Any)).to_vec());
    let url = format!("http://{front}{path}");

    // What the load costs when it is followed whole.
    let start = proc::cpu(pid)?;
    let calm = Duration::from_secs(3);
    let before = load::start_url(&client, &url, load::CONNECTIONS, calm)?.finish()?;
    let share = (proc::cpu(pid)? - start).as_secs_f64() / calm.as_secs_f64();

    let wrk = load::start_url(&client, &url, load::CONNECTIONS, time)?;
    let awake = PERIOD.mul_f64((share / f64::from(TIMES)).clamp(0.001, 1.0));
    let highest = in_turns(pid, awake, time)?;
    let seen = wrk.finish()?;
    stage.exits(&[3])?;

    let summary = stage.summaries.last().context("no summary")?.clone();
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    let policy = &summary["policies"][0];
    let lost = number(&summary["counters"]["lostRecords"]);
    let verified = number(&policy["verified"]) + number(&policy["provisional"]);
    let bypassed = policy["bypassed"].as_object().map_or(0, serde_json::Map::len);
    let requests = number(&policy["requests"]);
    println!(
        "{attack}: {} and {} requests sent, {requests} judged, {verified} verified, {}; {lost} records lost; awake {awake:?} of {PERIOD:?}; {highest} KiB",
        before.requests, seen.requests, policy["unverified"]
    );
    stage.claim("records were lost", lost > 0);
    stage.claim("nothing is Bypassed", bypassed == 0);
    stage.claim("what was judged had been sent", requests <= before.requests + seen.requests + 4 * load::CONNECTIONS);
    stage.claim(&format!("{highest} KiB are within {MEMORY_KIB}"), highest <= MEMORY_KIB);
    let unverified = policy["unverified"].as_object().cloned().unwrap_or_default();
    let fates = unverified.iter().map(|(why, count)| (format!("Unverified({why})"), number(count)));
    let fates: Vec<_> = fates.chain([("Verified".to_owned(), verified)]).collect();
    stage.counted(&path, fates);
    Ok(())
}

/// Lets the process run for `awake` of each period; returns its highest resident memory, in KiB.
fn in_turns(process: u32, awake: Duration, time: Duration) -> Result<u64> {
    let pid = Pid::from_raw(process.try_into()?);
    let until = Instant::now() + time;
    while Instant::now() < until {
        kill(pid, Signal::SIGSTOP)?;
        std::thread::sleep(PERIOD - awake.min(PERIOD));
        kill(pid, Signal::SIGCONT)?;
        std::thread::sleep(awake);
    }
    Ok(proc::memory(process)?.1)
}
