//! libFuzzer's program for the target `foreign`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::foreign::target(data));
