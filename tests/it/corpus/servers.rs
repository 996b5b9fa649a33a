//! The orchestrators that the corpus asks, each started when a row first needs it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use dummy_services::{Behaviour, Fault, Kind, Script};
use orchestrator::access::keyring::digest;
use serde_json::{Value, json};

use super::data::{ROWS, settings_of};
use crate::journal_faults::Disk;
use crate::peers::{Folder, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

/// Settings of all of them: rows about slowness shall not take half a minute, and what the allocator is given back it gives
/// back itself, so that what is held can be compared.
const QUICK: [(&str, &str); 4] = [
    ("BODY_TIMEOUT_SECONDS", "1"),
    ("INGESTION_TEST_TIMEOUT_SECONDS", "1"),
    ("WRONG_TOKENS", "1000000"),
    ("MIMALLOC_PURGE_DELAY", "0"),
];

/// Orchestrators by their names in `servers.json`.
#[derive(Default)]
pub(super) struct Servers {
    running: Mutex<HashMap<String, Arc<Stack>>>,
    folder: OnceLock<Folder>,
}

impl Servers {
    pub(super) fn get(&self, name: &str) -> Arc<Stack> {
        let mut running = self.running.lock().unwrap();
        Arc::clone(running.entry(name.to_owned()).or_insert_with(|| Arc::new(self.start(name))))
    }

    /// Those that were needed.
    pub(super) fn all(&self) -> Vec<(String, Arc<Stack>)> {
        self.running.lock().unwrap().iter().map(|(name, stack)| (name.clone(), Arc::clone(stack))).collect()
    }

    fn start(&self, name: &str) -> Stack {
        let mut own = settings_of(name);
        if name != "tokens" {
            return start(name, &own);
        }
        let file = self.folder.get_or_init(|| Folder::new("corpus")).path().join("tokens.json");
        own.push(("TOKENS_FILE".to_owned(), file.display().to_string()));
        write_tokens(&file, &["corpus", "the-past"]);
        let mut stack = start(name, &own);
        let mut document = crate::stack::read("playbooks/chain.json");
        document["database-id"] = json!("corpus");
        document["diastema-token"] = json!("token-of-the-past");
        let answer = stack.orchestrator.server.post("/analysis", &document.to_string());
        assert_eq!(answer.status, 202, "the token is good until it is revoked: {answer:?}");
        write_tokens(&file, &["corpus"]);
        stack.orchestrator.hang_up();
        wait_for("the token is revoked", PATIENCE, || {
            (stack.orchestrator.server.post("/analysis", &document.to_string()).status == 401).then_some(())
        });
        stack
    }
}

/// Tokens of the tenant `corpus`: `token-of-<name>` for each name.
fn write_tokens(file: &Path, names: &[&str]) {
    let entry = |name: &&str| {
        let sha256 = hex::encode(digest(&format!("token-of-{name}")));
        json!({"name": name, "sha256": sha256, "tenants": ["corpus"], "roles": ["submit", "read"]})
    };
    let tokens: Vec<Value> = names.iter().map(entry).collect();
    std::fs::write(file, json!({ "tokens": tokens }).to_string()).unwrap();
}

fn start(name: &str, own: &[(String, String)]) -> Stack {
    let usual = QUICK.iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name)).copied();
    let variables: Vec<(&str, &str)> =
        usual.chain(own.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect();
    let mut stack = Stack::answering(Stores::Embedded, script(None), &variables);
    let door = stack.orchestrator.server.clone();
    let not_ready = || (door.get("/ready").status == 503).then_some(());
    match name {
        "full-disk" => {
            Disk::fill(&stack.orchestrator.state_file());
            // the first submission finds out
            stack.orchestrator.post("/analysis", &crate::stack::read("playbooks/chain.json"));
            wait_for("the disk is full", PATIENCE, not_ready);
        }
        "stopping" => {
            stack.orchestrator.terminate();
            wait_for("it stops", PATIENCE, not_ready);
        }
        _ => {}
    }
    stack
}

/// Services that do everything, except that `endless-<row>` and the ingestion `Twice` never end, and that ingestions have a
/// fault when a case says so.
pub(super) fn script(ingestion: Option<&str>) -> Script {
    let never = || Behaviour { fault: Some(Fault::NeverFinishes), ..Behaviour::default() };
    let jobs =
        (1..=ROWS).map(|row| (format!("endless-{row}"), never())).chain([("twice".to_owned(), never())]).collect();
    let fault = |text: &str| Behaviour { fault: Some(text.parse().expect("a fault")), ..Behaviour::default() };
    let kinds = ingestion.map(|text| (Kind::Ingestion, fault(text))).into_iter().collect();
    Script { jobs, kinds, ..Script::default() }
}
