//! libFuzzer's program for the target `http2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::http2::target(data));
