#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tmo_fuzz::run("export", data));
