//! HTTP/1.1 responses: an end is never told too early, against a model that has all the octets.
//!
//! The stream sees what the probes would show it of what a socket writes: packets in order, again, lost, copied in part.
//! The model ([`model::ends`]) reads all of it with another parser and knows where each response really ends.

pub mod model;
pub mod plan;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use waypoint_verify::wire::{Asked, ResponseStream, Segment, Settings};

use crate::told::{Answer, answers};
use crate::{Disagreement, demand, settle};
use model::{Exchange, exchanges};
use plan::{Plan, Step};

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    let mut stream = ResponseStream::new(plan.isn, &Arc::new(settings()));
    settle(follow(&plan, &mut stream));
}

pub fn settings() -> Settings {
    Settings { max_head: 2048, max_fields: 32, max_pipelined: 6, ..Settings::default() }
}

/// What out-of-order octets a response stream may hold, by its documentation.
const HELD: usize = 64 * 1024;

/// The part of a response stream that is checked; a test puts a wrong one in its place.
pub trait Follower {
    fn request(&mut self, asked: Asked, out: &mut Vec<Answer>);
    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Answer>);
    fn grant(&mut self) -> Option<u32>;
    fn memory(&self) -> usize;
}

impl Follower for ResponseStream {
    fn request(&mut self, asked: Asked, out: &mut Vec<Answer>) {
        answers(out, |events| ResponseStream::request(self, asked, 0, events));
    }

    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Answer>) {
        answers(out, |events| ResponseStream::segment(self, segment, at, events));
    }

    fn grant(&mut self) -> Option<u32> {
        ResponseStream::grant(self)
    }

    fn memory(&self) -> usize {
        ResponseStream::memory(self)
    }
}

pub fn follow(plan: &Plan, stream: &mut impl Follower) -> Result<(), Disagreement> {
    let settings = settings();
    let bound = size_of::<ResponseStream>() + 2 * settings.max_head as usize + HELD + 1024;
    let truth = exchanges(&plan.octets, &plan.asked);
    let mut told = Vec::new();
    for asked in &plan.asked {
        stream.request(*asked, &mut told);
    }
    let mut written = 0;
    for (at, step) in (1..).zip(&plan.steps) {
        match step {
            Step::Packet(packet) => {
                written = written.max(packet.from + packet.len);
                if packet.shown {
                    stream.segment(packet.segment(plan), at, &mut told);
                }
            }
            Step::Grant => {
                if let Some(until) = stream.grant() {
                    granted(plan, &truth, written, u64::from(until.wrapping_sub(plan.isn.wrapping_add(1))))?;
                }
            }
        }
        demand!(stream.memory() <= bound, "{} octets are held, at most {bound} may be", stream.memory());
        check(&told, &truth, written)?;
    }
    if plan.complete() && plan.asked.len() <= usize::from(settings.max_pipelined) {
        let ended = told.iter().filter(|answer| matches!(answer, Answer::Ended(_))).count();
        let known = truth.iter().take_while(|exchange| exchange.plain && exchange.end.is_some()).count();
        demand!(ended >= known, "{known} responses ended, {ended} were told: {told:?}");
    }
    Ok(())
}

/// What was told so far is true.
fn check(told: &[Answer], truth: &[Exchange], written: u64) -> Result<(), Disagreement> {
    let (mut ended, mut answered) = (0, 0);
    for (at, answer) in told.iter().enumerate() {
        match answer {
            Answer::Answered { which, status } => {
                demand!(*which == ended && answered == ended, "an answer out of order: {told:?}");
                answered += 1;
                let really = truth.get(*which).and_then(|exchange| exchange.status);
                demand!(really == Some(*status), "response {which} has status {really:?}: {told:?}");
            }
            Answer::Ended(which) => {
                demand!(*which == ended && answered > ended, "an end out of order: {told:?}");
                ended += 1;
                let end = truth.get(*which).and_then(|exchange| exchange.end);
                demand!(end.is_some_and(|end| end <= written), "{which} ends at {end:?}, written {written}: {told:?}");
            }
            Answer::Unknown => demand!(at + 1 == told.len(), "told after it said that it knows nothing: {told:?}"),
        }
    }
    Ok(())
}

/// A packet with the last octet of a response must always show.
fn granted(plan: &Plan, truth: &[Exchange], written: u64, until: u64) -> Result<(), Disagreement> {
    let swallowed = truth.iter().filter_map(|exchange| exchange.end).find(|end| *end > written && *end <= until);
    demand!(swallowed.is_none(), "granted up to {until} with the end at {swallowed:?} unwritten: {plan:?}");
    Ok(())
}
