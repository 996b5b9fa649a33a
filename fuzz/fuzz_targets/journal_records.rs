#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| orchestrator::testing::fuzz::journal_records(bytes));
