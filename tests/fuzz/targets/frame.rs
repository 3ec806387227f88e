#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bylaw_fuzz::frame::check(data));
