//! libFuzzer's program for the target `http1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::http1::target(data));
