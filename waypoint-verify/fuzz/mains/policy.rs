//! libFuzzer's program for the target `policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::policy::target(data));
