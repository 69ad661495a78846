//! Inside a proxy, where a connection ends: which entries could have caused a departure (design.md, "Linking").
//!
//! Pure. A constraint may remove an entry from the candidates of a departure only where nothing that a route, a
//! filter or a client controls can break it; the true cause is never removed. All claims are made of *all* candidates.
//!
//! - [`facts`] reduces a request head to what is compared, as keyed hashes.
//! - [`guard`] decides which constraints hold for one departure.
//! - [`compare`] says of an entry and a departure whether the one could have caused the other, one by one or by class.
//! - [`class`] pays departures from entries of the same class and finds what is overdrawn.
//! - [`linker`] is the state of one proxy instance.

pub mod class;
pub mod compare;
pub mod facts;
pub mod guard;
mod hasher;
pub mod linker;

pub use facts::Facts;
pub use hasher::Hasher;
pub use linker::{DepartureIn, EntryIn, Limits, Link, LinkEvent, Linker};

#[cfg(test)]
mod testing;
