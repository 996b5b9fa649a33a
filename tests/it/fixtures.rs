//! The sample documents of `fixtures/`: good ones are accepted, bad ones are refused with the codes that their file names
//! say, odd ones are accepted with these codes as warnings.
//!
//! *Shape*: `playbooks/<name>.json`, `playbooks/{invalid,warned}/<codes>--<kind>.json`; several codes are joined by `+`, in
//! document order and without repetitions.

use std::fs;
use std::path::{Path, PathBuf};

use orchestrator::graph::Plan;
use orchestrator::graph::build::{build, build_ingestion};
use orchestrator::playbook::check::{CheckSettings, Refusal};
use orchestrator::playbook::ingestion::{check_test_call, is_test_call};
use orchestrator::playbook::ingestion_url::{UrlPolicy, UrlRule};
use orchestrator::playbook::{Problem, json};
use serde_json::{Map, Value};

/// The documents of a folder in order of their names.
fn documents(folder: &str) -> Vec<(PathBuf, Map<String, Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "{} has no documents", folder.display());
    files
        .into_iter()
        .map(|file| match json::parse(&fs::read(&file).unwrap()) {
            Ok(Value::Object(document)) => (file, document),
            other => panic!("{} is not a JSON object: {other:?}", file.display()),
        })
        .collect()
}

fn judge(document: &Map<String, Value>) -> Result<Plan, Refusal> {
    build(document, &CheckSettings::default())
}

/// The codes that a file's name announces.
fn announced(file: &Path) -> Vec<String> {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let (codes, _kind) = name.split_once("--").unwrap_or_else(|| panic!("{name} is not <codes>--<kind>"));
    codes.split('+').map(str::to_owned).collect()
}

fn codes(findings: &[Problem]) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for finding in findings {
        if codes.iter().all(|known| known != finding.code) {
            codes.push(finding.code.to_owned());
        }
    }
    codes
}

#[test]
fn valid_playbooks_are_accepted() {
    for (file, document) in documents("playbooks") {
        if let Err(refusal) = judge(&document) {
            panic!("{}: {:#?}", file.display(), refusal.problems);
        }
    }
}

#[test]
fn invalid_playbooks_are_refused_with_the_codes_of_their_names() {
    for (file, document) in documents("playbooks/invalid") {
        match judge(&document) {
            Ok(_) => panic!("{} is accepted", file.display()),
            Err(refusal) => assert_eq!(codes(&refusal.problems), announced(&file), "{}", file.display()),
        }
    }
}

#[test]
fn odd_playbooks_are_accepted_with_the_warnings_of_their_names() {
    for (file, document) in documents("playbooks/warned") {
        match judge(&document) {
            Ok(plan) => assert_eq!(codes(&plan.warnings), announced(&file), "{}", file.display()),
            Err(refusal) => panic!("{}: {:#?}", file.display(), refusal.problems),
        }
    }
}

#[test]
fn every_title_is_in_a_valid_playbook() {
    let playbooks = documents("playbooks");
    let titles: Vec<&str> = playbooks
        .iter()
        .flat_map(|(_, document)| document["jobs"].as_array().unwrap())
        .filter_map(|job| job["title"].as_str())
        .collect();
    for title in [
        "dataset",
        "cleaning",
        "data-join",
        "function",
        "classification",
        "regression",
        "clustering",
        "visualization",
        "data-sink",
    ] {
        assert!(titles.contains(&title), "no playbook has a {title}");
    }
}

#[test]
fn ingestions_are_accepted() {
    let ingestion_urls = UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() };
    let settings = CheckSettings { ingestion_urls, ..CheckSettings::default() };
    for (file, document) in documents("ingestions") {
        let refusal = match is_test_call(&document) {
            Ok(true) => check_test_call(&document, &settings).err(),
            Ok(false) => build_ingestion(&document, &settings).err(),
            Err(problem) => panic!("{}: {problem:?}", file.display()),
        };
        assert!(refusal.is_none(), "{}: {refusal:#?}", file.display());
    }
}
