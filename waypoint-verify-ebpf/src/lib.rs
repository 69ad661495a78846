//! What the kernel programs and userspace share: records on the ring, values in the maps, and their names.
//!
//! Everything is `repr(C)`, of fixed width and padded explicitly: a record is bytes that another compiler reads.
#![no_std]

pub mod map;
pub mod record;

#[cfg(feature = "user")]
mod user;
