//! How fast actors go through a graph when jobs cost nothing, and what a waiting job weighs.
//!
//! Each line is measured in a process of its own, beside its floors in the same run: one bare actor per job with the same
//! messages, and a loop over an array. `cargo bench --bench engine -- --quick` stops at 100,000 jobs.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

mod floors;
mod ours;

use std::process::Command;
use std::time::Duration;

use orchestrator::testing::Shape;

/// As in the program: actors are many small things that come and go, which glibc's allocator handles badly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHAPES: [(&str, Shape); 4] =
    [("wide", Shape::FanOut), ("deep", Shape::Chain), ("diamond", Shape::Diamond), ("random", Shape::Random)];
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Budgets of the design: times a bare actor per job, and bytes per waiting job, at 1,000,000.
const MOST_TIMES_BARE: f64 = 1.5;
const MOST_BYTES: f64 = 1_536.0;

/// What one process measured.
struct Measured {
    time: Duration,
    /// Growth of the resident memory from the built plan to everybody waiting.
    bytes: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["one", who, shape, jobs] => measure_here(who, shape, jobs.parse().unwrap()),
        _ => table(arguments.iter().any(|argument| argument == "--quick")),
    }
}

fn table(quick: bool) {
    println!(
        "graph      jobs      engine jobs/s   bare actix jobs/s   array jobs/s   x bare   x array   bytes/job   bare bytes/job"
    );
    for jobs in SIZES.into_iter().filter(|jobs| !quick || *jobs <= 100_000) {
        for (name, shape) in SHAPES {
            let engine = measure("engine", name, jobs);
            let bare = measure("bare", name, jobs);
            let array = measure("array", name, jobs);
            let per_second = |measured: &Measured| jobs as f64 / measured.time.as_secs_f64();
            let times = |floor: &Measured| engine.time.as_secs_f64() / floor.time.as_secs_f64();
            // only graphs with one start have everybody waiting at one moment
            let bytes = |measured: &Measured| match shape {
                Shape::Random => "-".to_owned(),
                _ => format!("{:.0}", measured.bytes as f64 / jobs as f64),
            };
            let over = jobs == 1_000_000
                && (times(&bare) > MOST_TIMES_BARE
                    || (shape != Shape::Random && engine.bytes as f64 / jobs as f64 > MOST_BYTES));
            println!(
                "{name:<8} {jobs:>8} {:>15.0} {:>19.0} {:>14.0} {:>8.2} {:>9.0} {:>11} {:>16}{}",
                per_second(&engine),
                per_second(&bare),
                per_second(&array),
                times(&bare),
                times(&array),
                bytes(&engine),
                bytes(&bare),
                if over { "   over budget" } else { "" },
            );
        }
    }
    println!("budgets at 1,000,000 jobs: <= {MOST_TIMES_BARE} x bare actix, <= {MOST_BYTES} bytes per waiting job");
}

/// The median of three fresh processes: one that has run before reuses or returns memory, each allocator in its own way.
fn measure(who: &str, shape: &str, jobs: usize) -> Measured {
    let mut measured: Vec<Measured> = (0..3).map(|_| measure_once(who, shape, jobs)).collect();
    measured.sort_by_key(|measured| measured.time);
    measured.swap_remove(1)
}

fn measure_once(who: &str, shape: &str, jobs: usize) -> Measured {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).args(["one", who, shape, &jobs.to_string()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    match (numbers.next(), numbers.next()) {
        (Some(nanos), Some(bytes)) => Measured { time: Duration::from_nanos(nanos), bytes },
        _ => panic!("{who} {shape} {jobs}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Small graphs are repeated and their median taken.
fn measure_here(who: &str, shape: &str, jobs: usize) {
    let (_, shape) = SHAPES.into_iter().find(|(name, _)| *name == shape).unwrap();
    let edges = shape.edges(jobs, 42);
    let once = |edges: &[(usize, usize)]| match who {
        "engine" => ours::run(jobs, edges),
        "bare" => floors::bare_actix(jobs, edges),
        _ => floors::array(jobs, edges),
    };
    let first = once(&edges);
    let mut times = vec![first.time];
    times.extend((1..(200_000 / jobs).clamp(1, 21)).map(|_| once(&edges).time));
    times.sort();
    println!("{} {}", times[times.len() / 2].as_nanos(), first.bytes);
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}
