//! Connections in other protocols: never a message, and the name that is told is what a builder put into the octets.
//!
//! The builder ([`plan`]) writes ClientHellos and PROXY protocol headers itself, so it knows server name, protocols and
//! addresses without reading them. A hello or header in which something was changed afterwards may be called less, but is
//! never read as HTTP.

pub mod plan;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use waypoint_verify::wire::{Opaque, Poison, Protocol, RequestStream, Settings};

use crate::told::{Told, segment};
use crate::{Disagreement, demand, settle};
use plan::{Kind, Plan};

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    settle(check(&plan, &read(&plan.octets, usize::from(plan.step) + 1)));
    settle(check(&plan, &read(&plan.octets, plan.octets.len().max(1))));
}

/// In pieces of so many octets, and then the end.
pub fn read(octets: &[u8], piece: usize) -> Told {
    let mut stream = RequestStream::new(0, &Arc::new(Settings::default()));
    let mut events = Vec::new();
    let (mut at, mut order) = (0u64, 0);
    let bound = size_of::<RequestStream>() + 2 * (64 << 10) + 2 * (256 << 10) + 4096;
    for bytes in octets.chunks(piece) {
        order += 1;
        stream.segment(segment(0, at, bytes), order, &mut events);
        at += bytes.len() as u64;
        assert!(stream.memory() <= bound, "{} octets are held, at most {bound} may be", stream.memory());
    }
    stream.close(Some(at), order + 1, &mut events);
    Told::of(&events)
}

pub fn check(plan: &Plan, told: &Told) -> Result<(), Disagreement> {
    demand!(told.messages.is_empty(), "a message in {:?}: {told:?}", plan.kind);
    let protocol = match plan.kind {
        Kind::Tls => Protocol::Tls,
        Kind::Proxy => Protocol::ProxyProtocol,
    };
    let name = told.named.as_deref().unwrap_or_default();
    demand!(name.bytes().all(|octet| matches!(octet, b' '..=b'~')), "not printable: {name:?}");
    if plan.spoilt {
        return Ok(());
    }
    let expected = Some(Poison::Opaque(Opaque::NotHttp(protocol)));
    demand!(told.poisoned.map(|(_, reason)| reason) == expected, "{:?}: {told:?}", plan.kind);
    demand!(name == plan.name, "named {name:?}, built as {:?}", plan.name);
    Ok(())
}
