//! The way of evidence from agents to the verifier: its form, its names, and who may write it.
//!
//! - [`batch`] is what an agent publishes; [`control`] is what the verifier tells agents.
//! - [`subject`] names streams and subjects.
//! - [`keys`] signs who may publish what.
//! - [`nats`] is the only module that knows the bus.

pub mod batch;
pub mod control;
pub mod keys;
pub mod nats;
pub mod subject;
mod wire;

pub use wire::{Message, Unreadable};

/// What one message on the bus may hold at most, in octets; the server's own default.
pub const MAX_MESSAGE: usize = 1 << 20;
