//! Each oracle can fail: a program that is wrong in one point is caught.

#[path = "oracles/admission.rs"]
mod admission;
#[path = "oracles/files.rs"]
mod files;
#[path = "oracles/foreign.rs"]
mod foreign;
#[path = "oracles/hpack.rs"]
mod hpack;
#[path = "oracles/http1.rs"]
mod http1;
#[path = "oracles/http2.rs"]
mod http2;
#[path = "oracles/reassembly.rs"]
mod reassembly;
#[path = "oracles/recording.rs"]
mod recording;
#[path = "oracles/records.rs"]
mod records;
#[path = "oracles/responses.rs"]
mod responses;
