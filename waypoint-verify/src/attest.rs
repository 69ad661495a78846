//! What a gate found, signed: an in-toto Statement (v1) about a test, in a DSSE envelope.
//!
//! - [`keys`] signs and verifies (Ed25519, ECDSA P-256).
//! - [`dsse`] is the envelope: the signature is over type and content, before anything of it is read.
//! - [`statement`] is what is said, and of which files.
//! - [`check`] compares a statement with files and with a replay of the evidence.
//!
//! Pure, but for the keys' own randomness.

pub mod check;
pub mod dsse;
pub mod keys;
pub mod statement;

#[cfg(test)]
mod tests;
