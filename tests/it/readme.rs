//! What the README says about settings is what the program reads.

use std::fs;
use std::path::Path;

use orchestrator::access::keyring::digest;
use orchestrator::access::{Role, Scope, tokens};
use orchestrator::config::{Config, SETTINGS};
use orchestrator::playbook::TenantId;

use crate::peers::Folder;

/// The rows of the README's table of settings: name, default, meaning.
fn rows() -> Vec<[String; 3]> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(file).unwrap();
    let table = text.split("<!-- settings -->").nth(1).expect("the README's table is between two marks `settings`");
    table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [name, default, meaning] = cells[..] else { panic!("not three cells: {line}") };
            [name.trim_matches('`').to_owned(), default.trim_matches('`').to_owned(), meaning.to_owned()]
        })
        .collect()
}

#[test]
fn the_table_of_settings_is_the_programs_own() {
    let expected: Vec<[String; 3]> = SETTINGS
        .iter()
        .map(|setting| [setting.name.to_owned(), setting.default.to_owned(), setting.meaning.to_owned()])
        .collect();
    for (row, setting) in rows().iter().zip(&expected) {
        assert_eq!(row, setting);
    }
    assert_eq!(rows().len(), expected.len(), "settings that one of the two does not have");
}

/// A JSON example of the README, by how it begins.
#[track_caller]
fn example(begins: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut blocks = text.split("```json\n").map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.find(|block| block.starts_with(begins)).expect("there is an example").to_owned()
}

#[test]
fn the_token_file_that_is_shown_can_be_used() {
    let mut example = example("{\"tokens\"");
    for token in ["first", "second"] {
        example = example.replacen("<64 hexadecimal digits>", &hex::encode(digest(token)), 1);
    }
    let keyring = tokens::parse(&example).unwrap();
    let web = keyring.holder("first").unwrap();
    assert!(web.may(Role::Submit) && web.may(Role::Read) && !web.may(Role::Operate) && web.scope.reaches("metis"));
    let operations = keyring.holder("second").unwrap();
    assert!(operations.may(Role::Operate) && operations.scope == Scope::All);
}

#[test]
fn the_limits_that_are_shown_can_be_used() {
    let folder = Folder::new("limits");
    let file = folder.path().join("limits.json");
    fs::write(&file, example("{\"total\"")).unwrap();
    let lookup = |name: &str| (name == "LIMITS_FILE").then(|| file.display().to_string());
    let limits = Config::from_lookup(&lookup).unwrap().limits_now().unwrap();
    let (metis, other) = (TenantId::parse("metis").unwrap(), TenantId::parse("other").unwrap());
    assert_eq!((limits.running_of(&metis), limits.running_of(&other)), (50, 1000));
    assert_eq!(limits.stored_bytes_of(&metis), Some(20_000_000_000));
}

#[test]
fn the_compose_file_sets_only_variables_that_exist() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker-compose.yml");
    let text = fs::read_to_string(file).unwrap();
    let orchestrator =
        text.split("\n  orchestrator:\n").nth(1).and_then(|rest| rest.split("\n  dummy-services:\n").next());
    let variables = orchestrator.and_then(|service| service.split("    environment:\n").nth(1)).unwrap();
    for line in variables.lines().take_while(|line| line.starts_with("      ")) {
        let Some((name, _)) = line.trim().split_once(": ") else { continue };
        let known = line.trim().starts_with('#') || SETTINGS.iter().any(|setting| setting.name == name);
        assert!(known, "the orchestrator does not read {name}");
    }
}
