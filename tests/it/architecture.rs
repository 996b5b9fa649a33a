//! Rules of the tree that a compiler does not check: who may name whom, how long a file may be, who reads the environment.

use std::fs;
use std::path::{Path, PathBuf};

/// Which folder (or file) of `src` may name which others. `main` and `lib` are the roots and not listed.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("chaos", &[]),
    ("disk", &[]),
    ("playbook", &[]),
    ("access", &["playbook"]),
    ("audit", &[]),
    ("graph", &["playbook"]),
    ("metrics", &["playbook"]),
    ("ports", &["playbook", "graph"]),
    ("store", &["playbook", "graph", "ports", "metrics", "disk"]),
    ("jobs", &["playbook", "graph", "ports", "metrics"]),
    ("engine", &["playbook", "graph", "ports", "store", "metrics"]),
    ("adapters", &["playbook", "ports", "config", "disk"]),
    ("config", &["playbook", "adapters", "audit", "engine", "jobs", "store"]),
    ("http", &["access", "audit", "playbook", "graph", "ports", "store", "engine", "jobs", "metrics"]),
    (
        "cli",
        &[
            "access", "audit", "playbook", "graph", "ports", "store", "engine", "jobs", "adapters", "http", "config",
            "metrics",
        ],
    ),
    ("testing", &["playbook", "graph", "ports", "store", "engine"]),
];

/// Every room may name it: debug builds die or err there on demand.
const EVERYBODYS: &str = "chaos";

/// Crates that only these places may name.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["src/store/", "src/adapters/embedded_s3/", "src/disk.rs"]),
    ("mongodb", &["src/adapters/"]),
    ("s3s", &["src/adapters/embedded_s3/"]),
    ("s3", &["src/adapters/"]),
    ("petgraph", &["src/graph/"]),
    ("prometheus_client", &["src/metrics.rs"]),
    ("rustls", &["src/adapters/tls.rs"]),
    ("awc", &["src/adapters/", "src/cli/"]),
    ("actix_web", &["src/http/", "src/cli/", "src/adapters/"]),
];

/// Parts of other rooms that a room may name, and no more of them.
const ONLY: &[(&str, &str, &[&str])] = &[
    ("http", "jobs", &["notices", "callbacks"]),
    ("http", "ports", &["Answer", "CallError", "CallbackVerdict", "JobServices", "StartIntent"]),
];

const LONGEST_FILE: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below these folders, with its path from the root and its text.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Code lines with their numbers: no comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Every `prefix::name` in a line: the names.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let alone = !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':');
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        if alone && end > 0 {
            names.push(&rest[..end]);
        }
    }
    names
}

fn room(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap();
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["src"]) {
        let here = room(&path);
        if here == "main" || here == "lib" {
            continue;
        }
        let (_, allowed) = MAY_NAME
            .iter()
            .find(|(room, _)| *room == here)
            .unwrap_or_else(|| panic!("{path}: the room `{here}` is new; say in this test what it may name"));
        for (line_number, line) in code(&text) {
            for named in names_after(line, "crate::") {
                if ![here, EVERYBODYS].contains(&named)
                    && !allowed.contains(&named)
                    && MAY_NAME.iter().any(|(room, _)| *room == named)
                {
                    wrong.push(format!("{path}:{line_number}: `{here}` must not name `{named}`"));
                }
            }
            assert!(
                !line.contains("use crate::{"),
                "{path}:{line_number}: one `use` per room, so that this test sees it"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn http_names_only_little_of_jobs_and_ports() {
    let mut wrong = Vec::new();
    for (here, there, allowed) in ONLY {
        for (path, text) in files(&["src"]).into_iter().filter(|(path, _)| room(path) == *here) {
            for (line_number, line) in code(&text) {
                let Some((_, rest)) = line.split_once(&format!("crate::{there}::")) else { continue };
                let names = rest.trim_start_matches('{').split([',', '}', ';', ' ', ':', '(', ')', '>']);
                for name in names.filter(|name| !name.is_empty()).take_while(|name| *name != "=") {
                    if !allowed.contains(&name) && name.chars().next().is_some_and(char::is_alphabetic) {
                        wrong.push(format!("{path}:{line_number}: `{here}` must not name `{there}::{name}`"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["src"]) {
        for (name, owners) in OWNERS {
            if owners.iter().any(|owner| path.starts_with(owner)) {
                continue;
            }
            for (line_number, line) in code(&text) {
                let named = line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
                });
                if named {
                    wrong.push(format!("{path}:{line_number}: {name} belongs to {owners:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_know_neither_actors_nor_time_nor_files() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["src/playbook", "src/graph"]) {
        for (line_number, line) in code(&text) {
            for word in ["actix", "tokio", "async ", "log::", "std::fs", "Instant", "SystemTime"] {
                if line.contains(word) {
                    wrong.push(format!("{path}:{line_number}: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_engine_and_the_harness_know_actors() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["src"]) {
        if ["src/engine/", "src/testing/"].iter().any(|room| path.starts_with(room)) {
            continue;
        }
        for (line_number, line) in code(&text) {
            if ["actix::prelude", "Addr<", "impl Actor", "Recipient<"].iter().any(|word| line.contains(word)) {
                wrong.push(format!("{path}:{line_number}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn routes_are_registered_in_one_place_which_says_what_each_wants() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["src/http", "src/cli"]).into_iter().filter(|(path, _)| path != "src/http/routes.rs") {
        for (line_number, line) in code(&text) {
            let ways = ["web::resource(", "web::scope(", "web::method(", ".service(", ".route(", "default_service("];
            if ways.iter().any(|way| line.contains(way)) {
                wrong.push(format!("{path}:{line_number}: a route that nobody has to say anything about"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_environment_is_read_in_one_place() {
    let reads = |line: &str| ["env::var(", "env::var_os(", "env::vars"].iter().any(|word| line.contains(word));
    for (path, text) in files(&["src"]) {
        // the orders of debug builds are no settings: src/chaos.rs has none in a release
        if !["src/config.rs", "src/chaos.rs"].contains(&path.as_str()) {
            for (line_number, line) in code(&text) {
                assert!(!reads(line), "{path}:{line_number}: config.rs reads the environment");
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_reader_can_bear_and_each_says_what_it_is_for() {
    let folders: Vec<&str> = ["src", "dummy-services", "test-peers", "tests", "benches"]
        .into_iter()
        .filter(|name| root().join(name).exists())
        .collect();
    for (path, text) in files(&folders) {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines, allowed are {LONGEST_FILE}");
        assert!(text.starts_with("//!"), "{path} does not open with what it is for");
    }
}
