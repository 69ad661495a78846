//! libFuzzer's program for the target `records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::records::target(data));
