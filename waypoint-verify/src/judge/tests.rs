//! Evidence in, verdicts out: tables.

mod bounds;
mod counts;
mod scene;
mod senders;
mod trails;
