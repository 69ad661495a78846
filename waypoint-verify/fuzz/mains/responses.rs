//! libFuzzer's program for the target `responses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::responses::target(data));
