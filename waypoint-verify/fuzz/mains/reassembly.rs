//! libFuzzer's program for the target `reassembly`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waypoint_verify_fuzz::reassembly::target(data));
