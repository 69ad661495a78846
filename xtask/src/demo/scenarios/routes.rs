//! Routes and gateways that reach the backend without the waypoint.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{Play, traceparent};
use crate::client::{Held, Outcome, Request, Script};
use crate::demo::counts::{Count, Expected};
use crate::demo::past;
use crate::demo::scenario::Stage;
use crate::demo::scenarios::compliant::all_answered;

/// Every request whose parent id ends in 0 goes straight to the backend: same path, same headers, same time.
const SAMPLED: &str = include_str!("../../../../manifests/experiment/bypass-route/route.yaml");

pub fn bypass(stage: &mut Stage) -> Play {
    const CLIENTS: u64 = 4;
    const EACH: u64 = 50;
    stage.open("bypass-route", SAMPLED, ("hello", "hello-gateway"))?;
    let ended = stage.observe(1, (CLIENTS * EACH) as usize, |lab| {
        let to = lab.gateway("hello-gateway")?;
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let requests = (0..EACH).map(|n| {
                let number = client * EACH + n;
                // The parent id ends in a decimal digit: one in ten is sampled.
                let parent = format!("00-{:032x}-{:015x}{}-01", 0xabc_0000 + number, 0x10_0000 + number, number % 10);
                Request::get("/").header("traceparent", &parent)
            });
            clients.push(lab.client(&format!("client-{}", 2 * client + 1))?.spawn(&Script::keep_alive(to, requests))?);
        }
        all_answered(concat(clients)?, (CLIENTS * EACH) as usize)
    })?;
    let connections = |name: &str| -> BTreeSet<String> {
        let connection =
            |verdict: &&serde_json::Value| Some(verdict["message"].as_str()?.split('+').next()?.to_owned());
        ended.of(name).iter().filter_map(connection).collect()
    };
    let shared = !connections("bypassed").is_disjoint(&connections("verified"));
    stage.check("verified and bypassing requests share a connection to the backend", shared);
    Ok(Expected::exit(1).verified(CLIENTS * EACH * 9 / 10).bypassed("RouteBypass", CLIENTS * EACH / 10))
}

pub fn forged(stage: &mut Stage) -> Play {
    const EACH: usize = 40;
    let trace = traceparent(7);
    stage.apply(&past::forging(&trace, "/genuine"))?;
    let mut elsewhere = 0;
    let ended = stage.observe(1, 2 * EACH, |lab| {
        let to = lab.gateway("hello-gateway")?;
        let genuine = vec![Request::get("/genuine").header("traceparent", &trace); EACH];
        let forged = vec![Request::get("/forge"); EACH];
        let genuine = lab.client("client-1")?.spawn(&Script::keep_alive(to, genuine))?;
        let forged = lab.client("client-3")?.spawn(&Script::keep_alive(to, forged))?;
        let genuine = genuine.finish()?;
        all_answered(forged.finish()?, EACH)?;
        // Those that took the other waypoint carry another address, and cannot be products of the forging route.
        elsewhere =
            genuine.iter().filter(|outcome| outcome.header("x-lab-forwarded-for") != Some(past::GENUINE)).count()
                as u64;
        all_answered(genuine, EACH)
    })?;
    let verified = ended.counts.verified;
    let findings = ended.ready["findings"].to_string();
    stage.check("only requests that the route cannot have forged are verified", verified <= elsewhere);
    stage.check("the route is named as destroying evidence", findings.contains("hello/forging"));
    Ok(Expected::exit(3)
        .or_exit(1)
        .verified(Count::AtMost(EACH as u64))
        .bypassed("RouteBypass", Count::Any)
        .unverified("ambiguous", Count::AtLeast(1)))
}

pub fn upstream(stage: &mut Stage) -> Play {
    stage.observe(1, 10, |lab| {
        let script = Script::keep_alive(lab.gateway("hello-upstream")?, vec![Request::get("/"); 10]);
        all_answered(lab.client("client-1")?.run(&script)?, 10)
    })?;
    Ok(Expected::exit(1).bypassed("UpstreamBypass", 10))
}

pub fn other_gateway(stage: &mut Stage) -> Play {
    stage.open("bypass-gateway", past::OTHER_GATEWAY, ("other", "other-gateway"))?;
    let ended = stage.observe(1, 10, |lab| {
        let script = Script::keep_alive(lab.gateway("other-gateway")?, vec![Request::get("/"); 10]);
        all_answered(lab.client("client-1")?.run(&script)?, 10)
    })?;
    let listeners = |verdict: &&serde_json::Value| verdict["explanation"]["listeners"].to_string();
    let named = ended.of("bypassed").iter().all(|verdict| listeners(verdict).contains("other/other-gateway"));
    stage.check("the other Gateway is named", named);
    Ok(Expected::exit(1).bypassed("RouteBypass", 10))
}

fn concat(clients: Vec<Held>) -> Result<Vec<Outcome>> {
    Ok(clients.into_iter().map(Held::finish).collect::<Result<Vec<_>>>()?.concat())
}
