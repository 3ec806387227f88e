#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bylaw_fuzz::towers::check(data));
