#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oracles::audit_verify::check(input));
