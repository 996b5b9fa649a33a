//! What the program refuses to start with, and what it says when it starts nevertheless: the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::peers::{BINARY, Folder, Orchestrator};

const TOKENS: &str = r#"{"tokens": [{"name": "a", "sha256": "HASH", "tenants": "all", "roles": ["read"]}]}"#;

/// Variables, what a warning has to say with them, and what none may say.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

fn token_file(folder: &Folder, text: &str) -> String {
    let file = folder.path().join("tokens.json");
    let hash = hex::encode(orchestrator::access::keyring::digest("a-token"));
    fs::write(&file, text.replace("HASH", &hash)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Starts it with nothing but these variables; answers what it says when it refuses.
#[track_caller]
fn refused(variables: &[(&str, &str)]) -> String {
    let folder = Folder::new("refused");
    let mut command = Command::new(BINARY);
    command.arg("serve").env_clear().env("DATA_DIR", folder.path().join("data")).env("PORT", "0");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn what_would_be_open_to_strangers_is_not_started() {
    let folder = Folder::new("start-rules");
    let tokens = token_file(&folder, TOKENS);
    let tokens = tokens.as_str();
    for (variables, says) in [
        (vec![("HOST", "0.0.0.0")], "set DIASTEMA_KEY"),
        (vec![("HOST", "0.0.0.0"), ("DIASTEMA_KEY", " ")], "set DIASTEMA_KEY"),
        (vec![("HOST", "0.0.0.0"), ("TOKENS_FILE", tokens)], "ALLOW_PLAIN_HTTP"),
        (vec![("HOST", "0.0.0.0"), ("TOKENS_FILE", tokens), ("ALLOW_PLAIN_HTTP", "0")], "TLS_CERTIFICATE"),
        (vec![("TOKENS_FILE", tokens), ("ALLOW_SHARED_KEY", "1")], "set DIASTEMA_KEY"),
        (vec![("ALLOW_SHARED_KEY", "yes")], "give `1` for yes"),
        (vec![("TLS_CERTIFICATE", tokens)], "need each other"),
        (vec![("TLS_CERTIFICATE", tokens), ("TLS_KEY", tokens)], "tokens.json"),
        (vec![("TOKENS_FILE", "/nowhere/tokens.json")], "/nowhere/tokens.json"),
    ] {
        let said = refused(&variables);
        assert!(said.contains(says), "{variables:?}: {said}");
    }
    let unusable =
        token_file(&folder, r#"{"tokens": [{"name": "a", "sha256": "x", "tenants": [], "roles": ["reed"]}]}"#);
    let said = refused(&[("TOKENS_FILE", &unusable)]);
    for fault in ["tokens[0] \"a\": `sha256` must be", "`tenants` is empty", "did you mean \"read\"?"] {
        assert!(said.contains(fault), "{said}");
    }
}

#[test]
fn limits_that_cannot_be_used_are_not_started_with() {
    let folder = Folder::new("start-rules");
    let file = folder.path().join("limits.json");
    let limits = json!({"services": {"spork": 3}, "tenants": {"no/tenant": {}}, "total": {"retries-per-second": 0}});
    fs::write(&file, limits.to_string()).unwrap();
    let said = refused(&[("LIMITS_FILE", file.to_str().unwrap())]);
    for fault in ["limits.json", "/services/spork: there is no such service", "/tenants/no/tenant: ", "0 is no rate"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
}

#[test]
fn what_the_operator_should_know_is_said_at_the_start() {
    let folder = Folder::new("start-rules");
    let tokens = token_file(&folder, TOKENS);
    let open = ("HOST", "0.0.0.0");
    let cases: [Case<'_>; 5] = [
        (&[], &[], &["plain HTTP", "DIASTEMA_KEY"]),
        (&[open], &["plain HTTP on 0.0.0.0:0"], &["everybody knows it"]),
        (&[open, ("DIASTEMA_KEY", "diastema-key")], &["plain HTTP", "everybody knows it"], &[]),
        (
            &[open, ("TOKENS_FILE", &tokens), ("ALLOW_PLAIN_HTTP", "1")],
            &["plain HTTP", "DIASTEMA_KEY opens nothing"],
            &[],
        ),
        (&[("TOKENS_FILE", &tokens), ("ALLOW_SHARED_KEY", "1")], &["DIASTEMA_KEY opens every tenant"], &["plain HTTP"]),
    ];
    for (variables, says, does_not_say) in cases {
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let orchestrator = Orchestrator::start(&variables);
        let said = orchestrator.said();
        let warnings: Vec<&str> = said.lines().filter(|line| line.contains(" WARN ")).collect();
        for text in says {
            assert_eq!(warnings.iter().filter(|line| line.contains(text)).count(), 1, "{variables:?} {text}: {said}");
        }
        for text in does_not_say {
            assert!(!warnings.iter().any(|line| line.contains(text)), "{variables:?} {text}: {said}");
        }
        for secret in ["key-of-the-tests", "a-token"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_token_file_that_others_can_write_is_told_of() {
    let folder = Folder::new("start-rules");
    let tokens = token_file(&folder, TOKENS);
    for (mode, told) in [(0o666, true), (0o620, true), (0o644, false), (0o600, false)] {
        fs::set_permissions(&tokens, fs::Permissions::from_mode(mode)).unwrap();
        let orchestrator = Orchestrator::start(&[("TOKENS_FILE", tokens.clone())]);
        assert_eq!(orchestrator.said().contains("can be written by others"), told, "{mode:o}");
    }
}

#[test]
fn a_token_that_was_made_here_opens_the_door() {
    let folder = Folder::new("token");
    let make = |arguments: &[&str]| Command::new(BINARY).arg("token").args(arguments).env_clear().output().unwrap();
    let made = make(&["new", "hospital-web", "--tenants", "metis,door", "--roles", "submit,read"]);
    assert_eq!(made.status.code(), Some(0));
    let text = String::from_utf8(made.stdout).unwrap();
    let [token, entry] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let entry: Value = serde_json::from_str(entry).unwrap();
    assert_eq!((&entry["name"], &entry["tenants"]), (&json!("hospital-web"), &json!(["metis", "door"])));
    let file = folder.path().join("tokens.json");
    fs::write(&file, json!({"tokens": [entry]}).to_string()).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let checked = make(&["check", &file]);
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), format!("{file}: 1 tokens\n"));

    let orchestrator = Orchestrator::start(&[("TOKENS_FILE", file)]);
    assert_eq!(orchestrator.server.get_with("/api/v1/analyses", token).status, 200);
    assert_eq!(orchestrator.server.get_with("/api/v1/analyses", &format!("{token}0")).status, 401);

    for (arguments, says) in [
        (vec!["new", "a b", "--tenants", "all"], "`name` must be"),
        (vec!["new", "a", "--tenants", "UIDB"], "reserved"),
        (vec!["new", "a", "--tenants", "all", "--roles", "reed"], "did you mean \"read\"?"),
        (vec!["check", "/nowhere"], "/nowhere"),
    ] {
        let refused = make(&arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(says), "{arguments:?}: {refused:?}");
    }
}
