//! Evidence in, verdicts out: tables.

mod bounds;
mod counts;
mod ends;
mod explained;
mod nodes;
mod scene;
mod senders;
mod trails;
mod unreadable;
mod watch;
