//! Several organisations behind one door: a token reaches its own tenants and nobody else's, and cannot tell foreign ids
//! from unknown ones.

use std::fs;
use std::path::PathBuf;

use dummy_services::Script;
use orchestrator::access::keyring::digest;
use serde_json::{Value, json};

use super::{playbook, refused};
use crate::peers::{Answer, Folder, KEY, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

/// Tokens of the tests by their names: the token is `token-of-<name>`.
pub(super) fn token(name: &str) -> String {
    format!("token-of-{name}")
}

pub(super) fn entry(name: &str, tenants: Value, roles: &[&str]) -> Value {
    json!({"name": name, "sha256": hex::encode(digest(&token(name))), "tenants": tenants, "roles": roles})
}

/// An orchestrator with a token file.
pub(super) struct Shared {
    pub(super) stack: Stack,
    file: PathBuf,
    _folder: Folder,
}

impl Shared {
    pub(super) fn start(entries: &[Value], variables: &[(&str, &str)]) -> Self {
        Self::start_with(Script::default(), entries, variables)
    }

    /// The same with services that behave as told.
    pub(super) fn start_with(script: Script, entries: &[Value], variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new("tokens");
        let file = folder.path().join("tokens.json");
        fs::write(&file, json!({ "tokens": entries }).to_string()).unwrap();
        let path = file.to_str().unwrap().to_owned();
        let variables = [&[("TOKENS_FILE", path.as_str())], variables].concat();
        let stack = Stack::answering(Stores::Embedded, script, &variables);
        Self { stack, file, _folder: folder }
    }

    pub(super) fn ask(&self, name: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", token(name));
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.stack.orchestrator.server.ask(method, path, &headers, body)
    }

    /// Submits to a platform endpoint with a token in the document.
    pub(super) fn post(&self, name: &str, path: &str, mut document: Value) -> Answer {
        document["diastema-token"] = json!(token(name));
        self.stack.orchestrator.server.post(path, &document.to_string())
    }

    fn reload(&mut self, text: &str, says: &str) {
        fs::write(&self.file, text).unwrap();
        let before = self.stack.orchestrator.said().matches(says).count();
        self.stack.orchestrator.hang_up();
        wait_for("the file is read again", PATIENCE, || {
            (self.stack.orchestrator.said().matches(says).count() > before).then_some(())
        });
    }
}

fn of_tenant(tenant: &str, analysis: &str) -> Value {
    let mut document = playbook(analysis);
    document["database-id"] = json!(tenant);
    document
}

fn ingestion_of(tenant: &str, id: &str) -> Value {
    json!({
        "ingestion-id": id, "database-id": tenant, "user": "u", "dataset-label": "d",
        "ingestion_json": {"method": "GET", "url": "http://example.com/d.csv", "separator": ","},
    })
}

fn two_tenants() -> Shared {
    let everything = ["submit", "read", "operate"];
    let tokens = [
        entry("alpha", json!(["Alpha"]), &everything),
        entry("beta", json!(["beta"]), &everything),
        entry("both", json!(["alpha", "beta"]), &everything),
        entry("ops", json!("all"), &["admin"]),
    ];
    Shared::start(&tokens, &[])
}

#[test]
fn a_token_submits_for_its_own_tenants_only() {
    let shared = two_tenants();
    for (collection, path, document) in [
        ("analyses", "/analysis", of_tenant("BETA", "Scope-1")),
        ("ingestions", "/ingestion", ingestion_of("BETA", "Scope-1")),
    ] {
        let told = [
            shared.post("alpha", path, document.clone()),
            shared.ask("alpha", "POST", &format!("/api/v1/{collection}"), &document.to_string()),
        ];
        for answer in told {
            refused(&answer, 403, "tenant-scope");
            assert_eq!(answer.json()["at"], "/database-id");
        }
        assert_eq!(shared.post("beta", path, document.clone()).status, 202);
    }
    let mut test_call = ingestion_of("beta", "Scope-2");
    test_call["testing"] = json!(true);
    refused(&shared.post("alpha", "/ingestion", test_call), 403, "tenant-scope");
    // the scope comes before everything that the document says, and after the token
    let mut broken = of_tenant("beta", "Scope-3");
    broken["jobs"] = json!("x");
    refused(&shared.post("alpha", "/analysis", broken.clone()), 403, "tenant-scope");
    refused(&shared.post("nobody", "/analysis", broken.clone()), 401, "token");
    refused(&shared.post("beta", "/analysis", broken), 422, "type");
    refused(&shared.post("alpha", "/analysis", of_tenant("UIDB", "Scope-4")), 403, "reserved");
    refused(&shared.post("alpha", "/analysis", of_tenant("a/b", "Scope-4")), 422, "charset");
    for (name, tenant) in [("both", "Alpha"), ("both", "Beta"), ("ops", "gamma")] {
        assert_eq!(shared.post(name, "/analysis", of_tenant(tenant, &format!("Scope-{name}-{tenant}"))).status, 202);
    }
}

/// Whatever is asked about an analysis of another tenant, the answer is that of an id that nobody has.
#[test]
fn a_foreign_id_is_answered_as_one_that_does_not_exist() {
    let shared = two_tenants();
    for tenant in ["alpha", "beta"] {
        assert_eq!(shared.post(tenant, "/analysis", of_tenant(tenant, &format!("Of-{tenant}"))).status, 202);
        assert_eq!(shared.post(tenant, "/ingestion", ingestion_of(tenant, &format!("Of-{tenant}"))).status, 202);
        for collection in ["analyses", "ingestions"] {
            let settled = || {
                let run = shared.ask(tenant, "GET", &format!("/api/v1/{collection}/of-{tenant}"), "");
                (run.json()["settled"] == true).then_some(())
            };
            wait_for("the run settles", PATIENCE, settled);
        }
    }
    let asked = [
        ("GET", ""),
        ("GET", "?run=1"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/rerun"),
        ("POST", "/rerun?from=all&run=1"),
    ];
    for (caller, owner) in [("alpha", "beta"), ("beta", "alpha")] {
        for collection in ["analyses", "ingestions"] {
            for (method, what) in asked {
                let path = |id: &str| format!("/api/v1/{collection}/{id}{what}");
                let foreign = shared.ask(caller, method, &path(&format!("of-{owner}")), "");
                let unknown = shared.ask(caller, method, &path("of-nobody"), "");
                refused(&foreign, 404, "not-found");
                assert_eq!(foreign.text, unknown.text, "{caller} {method} {collection} {what}");
            }
            let own = shared.ask(caller, "GET", &format!("/api/v1/{collection}/of-{caller}"), "");
            assert_eq!(own.status, 200, "{own:?}");
            let list = |query: &str| {
                let page = shared.ask(caller, "GET", &format!("/api/v1/{collection}{query}"), "").json();
                let items = page["items"].as_array().unwrap().clone();
                items.iter().map(|run| run["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(list(""), [caller]);
            assert_eq!(list(&format!("?tenant={}", caller.to_uppercase())), [caller]);
            assert!(list(&format!("?tenant={owner}")).is_empty());
        }
        assert_eq!(shared.ask(caller, "POST", &format!("/api/v1/analyses/of-{caller}/rerun?from=all"), "").status, 202);
        // ids belong to who used them first, and nobody learns whose they are
        let taken = shared.post(caller, "/analysis", of_tenant(caller, &format!("Of-{owner}")));
        refused(&taken, 409, "id-in-use");
        let taken = shared.post(caller, "/ingestion", ingestion_of(caller, &format!("Of-{owner}")));
        refused(&taken, 409, "id-in-use");
        assert!(!taken.text.contains(owner) || taken.text.contains("of-"), "{}", taken.text);
    }
    for (name, count) in [("both", 4), ("ops", 4)] {
        let page = shared.ask(name, "GET", "/api/v1/analyses", "").json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{name}: {page:#}");
    }
}

/// All charts are in one bucket, by job id: whoever could name a foreign job would see its charts as its own.
#[test]
fn charts_are_shown_to_the_tenant_of_their_job_only() {
    let shared = two_tenants();
    let with_chart = |tenant: &str, analysis: &str| {
        let mut document = of_tenant(tenant, analysis);
        document["jobs"] = json!([
            {"step": 1, "id": "Job-With-Charts", "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{analysis}-2"), "title": "visualization", "label": "c", "from": 1, "next": [0]},
        ]);
        document
    };
    let mut owner = of_tenant("alpha", "Charts-1");
    owner["jobs"][1]["id"] = json!("job-with-charts");
    assert_eq!(shared.post("alpha", "/analysis", owner).status, 202);
    let taken = shared.post("beta", "/analysis", with_chart("beta", "Charts-2"));
    refused(&taken, 409, "job-id-in-use");
    assert_eq!(taken.json()["at"], "/jobs/0/id");
    assert_eq!(shared.post("alpha", "/analysis", with_chart("alpha", "Charts-3")).status, 202);
}

/// Two tenants want the same ids at the same moment: one has all of them, the other one none.
#[test]
fn ids_that_two_tenants_want_at_once_are_one_tenants() {
    let shared = two_tenants();
    let statuses = |analysis: &str| {
        std::thread::scope(|scope| {
            let post = |tenant: &'static str| {
                let shared = &shared;
                scope.spawn(move || shared.post(tenant, "/analysis", of_tenant(tenant, analysis)).status)
            };
            let both = ["alpha", "beta"].map(post);
            both.map(|thread| thread.join().unwrap())
        })
    };
    for number in 0..40 {
        let id = format!("Race-{number}");
        let mut statuses = statuses(&id);
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409], "{id}");
    }
}

#[test]
fn tokens_are_read_again_when_the_process_is_told_to_and_a_bad_file_changes_nothing() {
    let mut shared = Shared::start(&[entry("old", json!("all"), &["read"])], &[]);
    let sees = |shared: &Shared, name: &str| shared.ask(name, "GET", "/api/v1/analyses", "").status;
    assert_eq!((sees(&shared, "old"), sees(&shared, "new")), (200, 401));
    shared.reload("{\"tokens\": [", "those of before stay valid");
    assert_eq!((sees(&shared, "old"), sees(&shared, "new")), (200, 401));
    let log = shared.stack.orchestrator.said();
    assert!(log.contains("EOF while parsing a list at line 1 column 12"), "{log}");
    let both = json!({"tokens": [entry("old", json!("all"), &["read"]), entry("new", json!(["alpha"]), &["read"])]});
    shared.reload(&both.to_string(), "2 are valid now");
    assert_eq!((sees(&shared, "old"), sees(&shared, "new")), (200, 200));
    let revoked = json!({"tokens": [entry("new", json!(["alpha"]), &["read"])]});
    shared.reload(&revoked.to_string(), "1 are valid now");
    assert_eq!((sees(&shared, "old"), sees(&shared, "new")), (401, 200));
}

#[test]
fn the_shared_key_opens_nothing_beside_a_token_file_unless_that_is_allowed() {
    let tokens = [entry("alpha", json!(["alpha"]), &["read"])];
    for (variables, status, says) in [
        (vec![], 401, "DIASTEMA_KEY opens nothing"),
        (vec![("ALLOW_SHARED_KEY", "1")], 200, "DIASTEMA_KEY opens every tenant"),
    ] {
        let shared = Shared::start(&tokens, &variables);
        let server = &shared.stack.orchestrator.server;
        assert_eq!(server.get_with("/api/v1/analyses", KEY).status, status);
        let answer = shared.stack.orchestrator.post("/analysis", &of_tenant("gamma", "Shared-Key"));
        assert_eq!(answer.status, if status == 200 { 202 } else { 401 });
        assert_eq!(shared.ask("alpha", "GET", "/api/v1/analyses", "").status, 200);
        assert!(shared.stack.orchestrator.said().contains(says));
    }
}

#[test]
fn two_keys_are_valid_while_clients_change_from_one_to_the_other() {
    let previous = "the key until now, with, commas";
    let variables = [("DIASTEMA_KEY_PREVIOUS", previous)];
    let stack = Stack::answering(Stores::Embedded, Script::default(), &variables);
    let server = &stack.orchestrator.server;
    for (key, status) in [(KEY, 200), (previous, 200), ("the key until now", 401), ("with", 401), ("diastema-key", 401)]
    {
        assert_eq!(server.get_with("/api/v1/analyses", key).status, status, "{key}");
    }
    assert!(stack.orchestrator.said().contains("DIASTEMA_KEY_PREVIOUS is still valid"));
}
