//! `RELIABILITY.md` names tests: they are all there.

use std::fs;
use std::path::{Path, PathBuf};

fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = ["tests", "src", "kill-harness/src"].iter().map(|folder| root.join(folder)).collect();
    let mut text = String::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("RELIABILITY.md")).unwrap();
    let sources = sources();
    let is_name = |text: &&str| {
        text.len() > 20
            && text.contains('_')
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let quoted = document.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted.filter(is_name).collect();
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}
