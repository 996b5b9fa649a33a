//! The file of token hashes (`TOKENS_FILE`): who may come in, for which tenants, for what.
//!
//! ```json
//! {"tokens": [
//!   {"name": "hospital-web", "sha256": "5e88...", "tenants": ["metis"], "roles": ["submit", "read"]},
//!   {"name": "operations",   "sha256": "9f86...", "tenants": "all",     "roles": ["admin"]}
//! ]}
//! ```

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::keyring::{Keyring, SHARED_KEY, TokenDigest, digest};
use super::{Holder, Role, Scope};
use crate::playbook::TenantId;
use crate::playbook::text::{did_you_mean, quoted, shown};

/// Longest name of a token.
const LONGEST_NAME: usize = 64;

/// Most tokens of a file: each request is compared with all of them.
const MOST_TOKENS: usize = 1_000;

/// Keys that everybody knows, as tokens: the platform's published default and nothing at all.
const PUBLISHED: [&str; 2] = ["diastema-key", ""];

/// What is wrong with a token file, all at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct TokenFileError(pub Vec<String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tokens: Vec<Entry>,
}

/// One token as it is written: its members are judged later, so that all faults are told together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    tenants: Value,
    roles: Vec<String>,
}

/// The tokens of a file.
///
/// # Errors
/// No JSON of the right shape (with line and column), or everything that is wrong with its tokens.
pub fn parse(text: &str) -> Result<Keyring, TokenFileError> {
    let file: File = serde_json::from_str(text).map_err(|error| TokenFileError(vec![format!("  {error}")]))?;
    let mut faults = Vec::new();
    if file.tokens.is_empty() {
        faults.push("  `tokens` is empty: nobody could come in".to_owned());
    }
    if file.tokens.len() > MOST_TOKENS {
        faults.push(format!("  `tokens` has {} entries, allowed are {MOST_TOKENS}", file.tokens.len()));
    }
    let mut known = Vec::new();
    let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
    for (at, entry) in file.tokens.iter().enumerate() {
        let label = Label { at, name: &entry.name };
        if let Some(first) = names.insert(&entry.name, at) {
            faults.push(format!("  {label}: tokens[{first}] has the same name"));
        }
        let checked = check(entry);
        faults.extend(checked.faults.into_iter().map(|fault| format!("  {label}: {fault}")));
        if let (Some(digest), Some(holder)) = (checked.digest, checked.holder) {
            if let Some(first) = hashes.insert(digest, at) {
                faults.push(format!("  {label}: tokens[{first}] is the same token"));
            }
            known.push((digest, holder));
        }
    }
    if faults.is_empty() { Ok(Keyring::new(known)) } else { Err(TokenFileError(faults)) }
}

/// How a fault names its entry: `tokens[3] "name"`.
struct Label<'a> {
    at: usize,
    name: &'a str,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tokens[{}] {}", self.at, quoted(self.name))
    }
}

#[derive(Default)]
struct Checked {
    digest: Option<TokenDigest>,
    holder: Option<Holder>,
    faults: Vec<String>,
}

fn check(entry: &Entry) -> Checked {
    let mut faults = Vec::new();
    let mut note = |outcome: Result<(), String>| faults.extend(outcome.err());
    note(check_name(&entry.name));
    let digest = read_digest(&entry.sha256).map_err(|fault| note(Err(fault))).ok();
    let scope = read_tenants(&entry.tenants).map_err(|fault| note(Err(fault))).ok();
    let roles = read_roles(&entry.roles).map_err(|fault| note(Err(fault))).ok();
    let holder = scope.zip(roles).map(|(scope, roles)| Holder { name: entry.name.clone(), scope, roles });
    Checked { digest, holder, faults }
}

/// Whether a text can be a token's name.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(legal) {
        return Err(format!("`name` must be 1 to {LONGEST_NAME} of A-Z a-z 0-9 . - _"));
    }
    if name == SHARED_KEY {
        return Err(format!("the name `{SHARED_KEY}` stands for DIASTEMA_KEY, take another one"));
    }
    Ok(())
}

fn read_digest(text: &str) -> Result<TokenDigest, String> {
    let mut digest_of_entry = TokenDigest::default();
    hex::decode_to_slice(text, &mut digest_of_entry).map_err(|_| {
        "`sha256` must be the SHA-256 of the token as 64 hexadecimal digits; `orchestrator token new` makes both"
            .to_owned()
    })?;
    if PUBLISHED.iter().any(|token| digest(token) == digest_of_entry) {
        return Err("`sha256` is that of a token which everybody knows".to_owned());
    }
    Ok(digest_of_entry)
}

fn read_tenants(tenants: &Value) -> Result<Scope, String> {
    let expected = "write \"all\", or a list of tenants such as [\"metis\"]";
    let listed = match tenants {
        Value::String(all) if all == "all" => return Ok(Scope::All),
        Value::Array(listed) if !listed.is_empty() => listed,
        Value::Array(_) => return Err(format!("`tenants` is empty, the token would reach nothing; {expected}")),
        other => return Err(format!("`tenants` is {}; {expected}", shown(other))),
    };
    let names = listed.iter().map(|tenant| match tenant {
        Value::String(name) => {
            TenantId::parse(name).map_err(|fault| format!("`tenants` names no tenant: it {}", fault.reason))
        }
        other => Err(format!("`tenants` lists {}; {expected}", shown(other))),
    });
    names.collect::<Result<BTreeSet<TenantId>, String>>().map(Scope::Only)
}

fn read_roles(roles: &[String]) -> Result<BTreeSet<Role>, String> {
    let known = Role::ALL.map(Role::as_str);
    if roles.is_empty() {
        return Err(format!(
            "`roles` is empty, the token would be good for nothing; list some of {}",
            known.join(", ")
        ));
    }
    roles
        .iter()
        .map(|word| {
            Role::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
                let hint = did_you_mean(word, known);
                format!("there is no role {}; {hint}{}roles are {}", quoted(word), separator(&hint), known.join(", "))
            })
        })
        .collect()
}

fn separator(hint: &str) -> &'static str {
    if hint.is_empty() { "" } else { " " }
}

/// An entry for the file, on one line.
///
/// # Errors
/// Everything that [`parse`] would refuse about it.
pub fn entry(name: &str, token: &str, tenants: &str, roles: &[String]) -> Result<String, TokenFileError> {
    let tenants = match tenants {
        "all" => json!("all"),
        listed => json!(listed.split(',').map(str::trim).collect::<Vec<_>>()),
    };
    let entry = json!({"name": name, "sha256": hex::encode(digest(token)), "tenants": tenants, "roles": roles});
    parse(&json!({"tokens": [entry]}).to_string())?;
    Ok(entry.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(entries: &[Value]) -> String {
        json!({ "tokens": entries }).to_string()
    }

    fn sound(name: &str) -> Value {
        json!({"name": name, "sha256": hex::encode(digest(name)), "tenants": ["metis"], "roles": ["read"]})
    }

    #[test]
    fn a_file_says_who_reaches_which_tenants_and_what_for() {
        let all = json!({"name": "ops", "sha256": hex::encode(digest("t")).to_uppercase(), "tenants": "all", "roles": ["admin"]});
        let two = json!({"name": "web", "sha256": hex::encode(digest("u")), "tenants": ["Metis", "door"], "roles": ["submit", "read"]});
        let keyring = parse(&file(&[all, two])).unwrap();
        assert_eq!(keyring.len(), 2);
        let ops = keyring.holder("t").unwrap();
        assert_eq!((ops.name.as_str(), &ops.scope), ("ops", &Scope::All));
        let web = keyring.holder("u").unwrap();
        assert_eq!(web.roles, [Role::Submit, Role::Read].into());
        assert!(web.scope.reaches("metis") && web.scope.reaches("door"));
        for other in ["Metis", "other", "", "met", "metis2"] {
            assert!(!web.scope.reaches(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_to_write() {
        let with = |member: &str, value: Value| {
            let mut entry = sound("x");
            entry[member] = value;
            file(&[entry])
        };
        let hash = |token: &str| json!(hex::encode(digest(token)));
        for (text, expected) in [
            (r#"{"tokens": [}"#.to_owned(), "line 1 column 13"),
            (r#"{"token": []}"#.to_owned(), "unknown field `token`, expected `tokens`"),
            (file(&[]), "`tokens` is empty"),
            (file(&[json!({"name": "x", "sha256": "", "roles": []})]), "missing field `tenants`"),
            (with("tenant", json!("all")), "unknown field `tenant`"),
            (with("name", json!("a b")), "tokens[0] \"a b\": `name` must be"),
            (with("name", json!("shared-key")), "stands for DIASTEMA_KEY"),
            (with("sha256", json!("abc")), "64 hexadecimal digits"),
            (with("sha256", hash("diastema-key")), "which everybody knows"),
            (with("sha256", hash("")), "which everybody knows"),
            (with("tenants", json!([])), "`tenants` is empty"),
            (with("tenants", json!("metis")), "write \"all\", or a list"),
            (with("tenants", json!([5])), "lists the number 5"),
            (with("tenants", json!(["UIDB"])), "reserved"),
            (with("tenants", json!(["a/b"])), "allowed are a-z 0-9 -"),
            (with("roles", json!([])), "`roles` is empty"),
            (with("roles", json!(["reed"])), "did you mean \"read\"? roles are submit, read, operate, admin"),
            (file(&[sound("x"), sound("x")]), "tokens[1] \"x\": tokens[0] has the same name"),
        ] {
            let told = parse(&text).unwrap_err().to_string();
            assert!(told.contains(expected), "{told:?} does not say {expected:?}");
        }
        let mut same_token = sound("y");
        same_token["sha256"] = sound("x")["sha256"].clone();
        assert!(parse(&file(&[sound("x"), same_token])).unwrap_err().to_string().contains("is the same token"));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let bad = json!({"name": "", "sha256": "x", "tenants": 1, "roles": []});
        assert_eq!(parse(&file(&[bad.clone(), sound("x"), bad])).unwrap_err().0.len(), 9);
    }

    #[test]
    fn an_entry_that_was_made_here_can_be_read_here() {
        let made = entry("web", "secret", "metis,door", &["read".to_owned()]).unwrap();
        let keyring = parse(&format!("{{\"tokens\": [{made}]}}")).unwrap();
        assert!(keyring.holder("secret").unwrap().scope.reaches("door"));
        assert!(!made.contains("secret"));
        assert!(entry("web", "secret", "", &["read".to_owned()]).is_err());
    }
}
