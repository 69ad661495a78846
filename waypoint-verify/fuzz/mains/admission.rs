//! libFuzzer's program for the target `admission`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::admission::target(data));
