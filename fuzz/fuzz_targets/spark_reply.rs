#![no_main]

mod in_time;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| in_time::in_time(orchestrator::testing::fuzz::spark_reply, bytes));
