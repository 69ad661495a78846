//! Records in, verdicts out: tracer, linker and judge together, over connections that a fixture plays.

mod verdicts;
mod world;
