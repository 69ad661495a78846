//! libFuzzer's program for the target `hpack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::hpack::target(data));
