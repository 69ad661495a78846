//! Each oracle can fail: a program that is wrong in one point is caught.

#[path = "oracles/http1.rs"]
mod http1;
#[path = "oracles/reassembly.rs"]
mod reassembly;
