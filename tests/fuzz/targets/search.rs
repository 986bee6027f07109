#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ijepa_fuzz::search(bytes));
