//! libFuzzer's program for the target `inventory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::inventory::target(data));
