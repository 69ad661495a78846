//! Records in, verdicts out: tracer, linker and judge together, over connections that a fixture plays.

mod attacks;
mod honest;
mod hops;
mod http2;
mod losses;
mod made_up;
mod many;
mod properties;
mod recorded;
mod replayed;
mod switches;
mod traffic;
mod verdicts;
mod world;
