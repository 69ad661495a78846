//! HTTP/2 requests, against the server of the crate `h2`.
//!
//! Wherever the program says "a message", h2 must have accepted the same request on that stream, unless it refused it and
//! said so (RST_STREAM, GOAWAY) for a reason that has nothing to do with where messages are. Where the program is stricter
//! it poisons the connection. Where it does not poison, it must not have missed a request.

pub mod plan;
pub mod server;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use waypoint_verify::wire::{RequestStream, Settings};

use crate::told::{Message, Told, segment};
use crate::{Disagreement, demand, settle};
use plan::Plan;
use server::{Refusal, Request, Served, serve};

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    let octets = plan.octets();
    let (told, memory) = read(&octets, []);
    let outcome = compare(&told, &serve(&octets));
    settle(
        outcome.map_err(|Disagreement(what)| Disagreement(format!("{what}\n{:02x?}", &octets[plan::PREFACE.len()..]))),
    );
    // Octet by octet up to the first frames, then in pieces.
    let cuts = (1..60).chain((60..octets.len()).step_by(usize::from(plan.step) + 1));
    let (cut, more) = read(&octets, cuts);
    settle(same_however_cut(&told, &cut));
    let bound = size_of::<RequestStream>() + 4 * settings().max_head as usize + 64 * 1024;
    let memory = memory.max(more);
    assert!(memory <= bound, "{memory} octets are held, at most {bound} may be");
}

pub fn settings() -> Settings {
    Settings { max_header_table: 4096, max_head: 16 * 1024, max_streams: 64, ..Settings::default() }
}

/// What is told of these octets, cut there; and how much was held at most.
pub fn read(octets: &[u8], cuts: impl IntoIterator<Item = usize>) -> (Told, usize) {
    let mut stream = RequestStream::new(0, &Arc::new(settings()));
    let (mut events, mut memory, mut from) = (Vec::new(), 0, 0);
    for (at, to) in (1..).zip(cuts.into_iter().chain([octets.len()])) {
        let to = to.clamp(from, octets.len());
        stream.segment(segment(0, from as u64, &octets[from..to]), at, &mut events);
        memory = memory.max(stream.memory());
        from = to;
    }
    (Told::of(&events), memory)
}

fn same_however_cut(whole: &Told, cut: &Told) -> Result<(), Disagreement> {
    demand!(whole.messages == cut.messages, "{whole:?}\nin pieces: {cut:?}");
    // A frame that came in pieces is looked at when it is complete.
    let kept = cut.poisoned.is_none() || whole.poisoned.is_some();
    demand!(kept, "{whole:?}\nin pieces: {cut:?}");
    Ok(())
}

pub fn compare(told: &Told, served: &Served) -> Result<(), Disagreement> {
    for ours in &told.messages {
        match served.requests.iter().find(|request| request.stream == ours.stream) {
            Some(theirs) => same(ours, theirs, told.poisoned.is_some())?,
            None => {
                let why = served.refusal(ours.stream);
                demand!(may_refuse(ours, why.as_ref()), "a message for us, for h2 {why:?}: {ours:?}\n{served:?}");
                if matches!(why, Some(Refusal::Connection(_))) {
                    return Ok(());
                }
            }
        }
    }
    if told.poisoned.is_none() {
        for theirs in &served.requests {
            let known = told.messages.iter().any(|ours| ours.stream == theirs.stream);
            demand!(known, "h2 accepted a request that we neither saw nor poisoned: {theirs:?}\n{told:?}");
        }
    }
    Ok(())
}

/// What h2 refuses and we do not.
fn may_refuse(ours: &Message, why: Option<&Refusal>) -> bool {
    match why {
        // It takes only what is a URI by RFC 3986, and no odd authority.
        Some(Refusal::Stream) => true,
        // The client took it back before anybody could accept it.
        None => ours.reset,
        // Its decoder wants pseudo-header fields to be text; and a client that says GOAWAY with an error is gone for it, while
        // others serve what follows.
        Some(Refusal::Connection(why)) => {
            std::str::from_utf8(&ours.target).is_err() || why.starts_with("connection error received")
        }
    }
}

fn same(ours: &Message, theirs: &Request, poisoned: bool) -> Result<(), Disagreement> {
    demand!(ours.method == theirs.method, "method: {ours:?}\nh2: {theirs:?}");
    demand!(target_of(&ours.target) == target_of(&theirs.target), "target: {ours:?}\nh2: {theirs:?}");
    if let Some(authority) = &theirs.authority {
        demand!(ours.authority.as_ref() == Some(authority), "authority: {ours:?}\nh2: {theirs:?}");
    }
    let mut fields = ours.fields.clone();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    demand!(fields == theirs.fields, "fields: {ours:?}\nh2: {theirs:?}");
    match (ours.end, theirs.content) {
        (Some((_, length)), Some(content)) => demand!(length == content, "content: {ours:?}\nh2: {theirs:?}"),
        // A reset throws away what h2 had not handed out.
        (Some(_), None) => demand!(ours.reset, "it ended for us, not for h2: {ours:?}\nh2: {theirs:?}"),
        (None, Some(_)) => demand!(poisoned, "it ended for h2, not for us: {ours:?}\nh2: {theirs:?}"),
        (None, None) => {}
    }
    Ok(())
}

/// h2 drops a fragment.
fn target_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|octet| *octet == b'#').unwrap_or(target.len());
    &target[..end]
}
