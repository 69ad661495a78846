//! TCP reassembly, against arrays of octets.
//!
//! A plan says which octets come where, in what order, copied or not, repeated, contradicted, acknowledged. The model
//! ([`model::Model`]) keeps what was seen first at each place, and knows from the documentation of `wire` what a
//! contradiction is. What the stream tells must be what the strict parser reads of those octets *in order and once*.

pub mod model;
pub mod plan;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use waypoint_verify::wire::{Bound, Event, Gap, Opaque, Poison, RequestStream, Segment, Settings};

use crate::told::{Told, read_with};
use crate::{Disagreement, demand, settle};
use model::{Before, Model};
use plan::{Piece, Plan, Step};

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    let mut stream = RequestStream::new(plan.isn, &Arc::new(settings()));
    settle(follow(&plan, &mut stream).map_err(|Disagreement(what)| Disagreement(format!("{what}\n{:?}", plan.steps))));
}

/// Small bounds, so that a fuzzer meets them.
pub fn settings() -> Settings {
    Settings { max_head: 2048, max_fields: 32, max_out_of_order: 4096, max_unacknowledged: 3000, ..Settings::default() }
}

/// The part of a request stream that is checked; a test puts a wrong one in its place.
pub trait Follower {
    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Event>);
    fn ack(&mut self, ack: u32, at: u64, out: &mut Vec<Event>);
    fn grant(&mut self) -> Option<u32>;
    fn followed(&self) -> u64;
    fn acked(&self) -> u64;
    fn finished(&self) -> bool;
    fn memory(&self) -> usize;
}

impl Follower for RequestStream {
    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Event>) {
        RequestStream::segment(self, segment, at, out);
    }

    fn ack(&mut self, ack: u32, at: u64, out: &mut Vec<Event>) {
        RequestStream::ack(self, ack, at, out);
    }

    fn grant(&mut self) -> Option<u32> {
        RequestStream::grant(self)
    }

    fn followed(&self) -> u64 {
        RequestStream::followed(self)
    }

    fn acked(&self) -> u64 {
        RequestStream::acked(self)
    }

    fn finished(&self) -> bool {
        RequestStream::finished(self)
    }

    fn memory(&self) -> usize {
        RequestStream::memory(self)
    }
}

pub fn follow(plan: &Plan, stream: &mut impl Follower) -> Result<(), Disagreement> {
    let settings = settings();
    // Twice: a buffer that grows doubles.
    let bound = size_of::<RequestStream>()
        + 2 * settings.max_head as usize
        + settings.max_out_of_order as usize
        // Kept and compacted: at times twice what is kept, and a piece more.
        + 4 * (settings.max_unacknowledged as usize + 4096)
        + 256;
    let mut model = Model::default();
    let mut events = Vec::new();
    // In the end everything comes once more.
    let last = [Step::Segment(Piece::all(0, plan.octets.len() as u64))];
    for (at, step) in (1..).zip(plan.steps.iter().chain(&last)) {
        let told = Told::of(&events);
        let mut wrong = None;
        match step {
            Step::Segment(piece) => {
                let bytes = plan.bytes(piece);
                let before = Before { told: &told, followed: stream.followed(), acked: stream.acked() };
                wrong = model.segment(piece, &bytes, before);
                stream.segment(piece.segment(plan.isn, &bytes), at, &mut events);
            }
            Step::Ack(upto) => {
                stream.ack(plan::sequence(plan.isn, *upto), at, &mut events);
                if *upto > stream.followed() + u64::from(stream.finished()) {
                    wrong = Some("an acknowledgement of octets that were not followed");
                }
            }
            Step::Grant => {
                if let Some(until) = stream.grant() {
                    let until = u64::from(until.wrapping_sub(plan::sequence(plan.isn, 0)));
                    let matters = model.matters_from(&told, stream.followed());
                    demand!(until <= matters, "granted up to {until}, but from {matters} on it matters");
                    model.granted = model.granted.max(until);
                }
            }
        }
        let told = Told::of(&events);
        demand!(stream.memory() <= bound, "{} octets are held, at most {bound} may be", stream.memory());
        if let Some(wrong) = wrong {
            demand!(told.poisoned.is_some(), "{wrong} went unnoticed at step {at}: {step:?}");
        }
        model.agrees(&told, stream.followed())?;
        if let Some((_, reason)) = told.poisoned {
            let right = read_with(&settings, &plan.octets).0.poisoned.is_none();
            let may = match reason {
                Poison::Bound(Bound::OutOfOrder | Bound::Unacknowledged) | Poison::Incomplete => true,
                Poison::Gap(Gap::AckBeyondFollowed) => wrong.is_some(),
                // Whatever was wrong: it was another protocol.
                Poison::Opaque(Opaque::NotHttp(_)) => true,
                _ => !plan.honest() || !right,
            };
            demand!(may, "poisoned for nothing: {reason:?}");
            break;
        }
    }
    Ok(())
}
