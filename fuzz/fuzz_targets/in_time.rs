//! An input may take 50 ms, with the sanitizer: the best of some tries counts, because the machine has other work.

use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_millis(50);

const TRIES: usize = 5;

pub fn in_time(target: fn(&[u8]), bytes: &[u8]) {
    let took = || {
        let since = Instant::now();
        target(bytes);
        since.elapsed()
    };
    let mut best = took();
    for _ in 1..TRIES {
        if best <= LONGEST {
            return;
        }
        best = best.min(took());
    }
    assert!(best <= LONGEST, "too slow: {best:?}");
}
