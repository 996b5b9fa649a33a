//! The functions that fuzzers call (`fuzz/`), on changed seeds, so many of them and always the same ones: nothing panics, and
//! nothing takes long.

#![allow(clippy::disallowed_methods, reason = "the real clock is what is asked about")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use orchestrator::testing::fuzz::{journal_records, playbook, service_answer, spark_reply};

/// Inputs of each function. `FUZZ_CASES` asks for others.
const CASES: usize = 20_000;

/// What one input may take. Without optimisation everything takes several times as long, on a machine with other work.
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 50 });

/// Longest input.
const LARGEST: usize = 64 * 1024;

/// Words that mean something somewhere.
const WORDS: [&str; 24] = [
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "18446744073709551615",
    "[]",
    "{}",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\"status\"",
    "\"error\"",
    "\"results\"",
    "\"jobs\"",
    "\"from\"",
    "\"next\"",
    "\"step\"",
    "\"attempt\"",
    "\n",
    "\t",
    "..",
    "\u{202e}",
    "é",
];

/// A generator with a seed: the same inputs every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    /// A seed with some changes, a few of them large.
    fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.roll(seeds.len())].clone();
        for _ in 0..=self.roll(6) {
            let (at, end) = (self.roll(input.len() + 1), self.roll(input.len() + 1));
            let (at, end) = (at.min(end), at.max(end));
            match self.roll(8) {
                0 if !input.is_empty() => {
                    let at = at.min(input.len() - 1);
                    input[at] ^= 1 << self.roll(8);
                }
                1 => drop(input.drain(at..end)),
                2 => drop(input.splice(at..at, input[at..end].to_vec())),
                3 => {
                    let other = &seeds[self.roll(seeds.len())];
                    let from = self.roll(other.len() + 1);
                    drop(input.splice(at..end, other[from..].iter().copied()));
                }
                4 => input.truncate(at),
                5 => drop(input.splice(at..at, std::iter::repeat_n(b"[{\"1 \xff"[self.roll(6)], 1 << self.roll(12)))),
                _ => drop(input.splice(at..end.min(at + 4), WORDS[self.roll(WORDS.len())].bytes())),
            }
        }
        input.truncate(LARGEST);
        input
    }
}

/// Every file below these folders.
fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let mut open: Vec<_> = folders.iter().map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    // the same in every file system
    files.sort();
    assert!(files.len() > 4, "{folders:?} has seeds");
    files.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn cases() -> usize {
    std::env::var("FUZZ_CASES").map_or(CASES, |text| text.parse().expect("FUZZ_CASES is a number"))
}

/// Calls a function with every seed and with changed ones.
fn fuzz(name: &str, folders: &[&str], target: fn(&[u8])) {
    let seeds = seeds(folders);
    let mut dice = Dice(7);
    let mut slowest = (Duration::ZERO, Vec::new());
    let changed = (0..cases()).map(|_| dice.change(&seeds));
    let mut count = 0;
    for input in seeds.iter().cloned().chain(changed.collect::<Vec<_>>()) {
        count += 1;
        let since = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| target(&input)));
        let took = since.elapsed();
        assert!(ended.is_ok(), "{name} panics at {:?}", String::from_utf8_lossy(&input));
        if took > slowest.0 {
            slowest = (took, input);
        }
    }
    let (took, input) = slowest;
    let beginning: String = String::from_utf8_lossy(&input).chars().take(200).collect();
    report(&format!("{name}: {count} inputs, the slowest took {took:?} with {} bytes: {beginning:?}", input.len()));
    assert!(took <= LONGEST, "{name}: {took:?} for {:?}", String::from_utf8_lossy(&input));
}

#[expect(clippy::print_stdout, reason = "how much was tried is for whoever reads the output of the tests")]
fn report(line: &str) {
    println!("{line}");
}

#[test]
fn a_playbook_whatever_it_is_upsets_nobody() {
    fuzz("playbook", &["fixtures/playbooks", "fixtures/ingestions", "fuzz/seeds/playbook"], playbook);
}

#[test]
fn an_answer_of_a_service_whatever_it_is_upsets_nobody() {
    fuzz("service answer", &["fuzz/seeds/service_answer"], service_answer);
}

#[test]
fn a_reply_of_spark_whatever_it_is_upsets_nobody() {
    fuzz("Spark reply", &["fuzz/seeds/spark_reply"], spark_reply);
}

#[test]
fn records_of_the_journal_whatever_they_are_upset_nobody() {
    fuzz("journal records", &["fuzz/seeds/journal_records"], journal_records);
}
