//! Limits in one file, which change while the program runs, and `GET /api/v1/tenants`, which shows who uses how much of them.

use std::fs;

use dummy_services::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use super::tenants::{Shared, entry};
use super::{playbook, refused};
use crate::peers::{Folder, wait_for};
use crate::stack::PATIENCE;

/// A shared orchestrator with a file of limits.
struct Limited {
    shared: Shared,
    file: std::path::PathBuf,
    _folder: Folder,
}

impl Limited {
    /// Jobs whose ids begin with `Endless` never end.
    fn start(limits: &Value) -> Self {
        let never = || Behaviour { fault: Some(Fault::NeverFinishes), ..Behaviour::default() };
        let jobs = (1..=3).map(|number| (format!("endless-{number}-2"), never())).collect();
        let folder = Folder::new("limits");
        let file = folder.path().join("limits.json");
        fs::write(&file, limits.to_string()).unwrap();
        let path = file.to_str().unwrap().to_owned();
        let tokens = [
            entry("small", json!(["small"]), &["submit", "read", "operate"]),
            entry("large", json!(["large"]), &["submit", "read", "operate"]),
            entry("ops", json!("all"), &["admin"]),
        ];
        let script = Script { jobs, ..Script::default() };
        let shared = Shared::start_with(script, &tokens, &[("LIMITS_FILE", path.as_str())]);
        Self { shared, file, _folder: folder }
    }

    /// The file says something else now, and the program is told to read it.
    fn change(&mut self, limits: &str, says: &str) {
        fs::write(&self.file, limits).unwrap();
        let before = self.shared.stack.orchestrator.said().matches(says).count();
        self.shared.stack.orchestrator.hang_up();
        wait_for("the limits are read again", PATIENCE, || {
            (self.shared.stack.orchestrator.said().matches(says).count() > before).then_some(())
        });
    }

    fn submit(&self, tenant: &str, analysis: &str) -> crate::peers::Answer {
        let mut document = playbook(analysis);
        document["database-id"] = json!(tenant);
        self.shared.post(tenant, "/analysis", document)
    }

    #[track_caller]
    fn usage(&self, name: &str) -> Value {
        let answer = self.shared.ask(name, "GET", "/api/v1/tenants", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What one tenant uses, as the operator sees it.
    fn of(&self, tenant: &str) -> Value {
        let usage = self.usage("ops");
        let items = usage["items"].as_array().unwrap();
        items.iter().find(|item| item["tenant"] == tenant).cloned().unwrap_or_default()
    }
}

const READ_AGAIN: &str = "told to read the limits again: they count from now on";
const NOT_READ: &str = "told to read the limits again, but those of before stay";

#[test]
fn the_tenants_limits_use_and_waits_are_shown_to_those_who_reach_them() {
    let limited =
        Limited::start(&json!({"tenants": {"small": {"running": 1, "open": 5, "submissions-per-second": 100}}}));
    assert_eq!(limited.submit("small", "Endless-1").status, 202);
    assert_eq!(limited.submit("small", "Endless-2").status, 202);
    let small = wait_for("one runs and one waits", PATIENCE, || {
        Some(limited.of("small")).filter(|small| small["queued"]["waiting"] == 1 && small["in-flight"]["used"] == 1)
    });
    assert_eq!(small["open"], json!({"used": 2, "most": 5}), "{small:#}");
    assert_eq!(small["running"], json!({"used": 1, "most": 1}), "{small:#}");
    assert_eq!(small["in-flight"]["most"], 256, "{small:#}");
    assert_eq!(small["services"]["cleaning"]["in-flight"], 1, "{small:#}");
    assert_eq!(small["stored-bytes"], json!({"used": 0, "most": null}), "{small:#}");
    assert_eq!(small["submissions-per-second"], 100.0, "{small:#}");
    let oldest = small["oldest-wait-ms"].as_u64().unwrap();
    assert_eq!(small["queued"]["oldest-wait-ms"].as_u64(), Some(oldest), "{small:#}");

    let operators = limited.usage("ops");
    assert_eq!(operators["total"]["open"], json!({"used": 2, "most": 50_000}), "{operators:#}");
    assert_eq!(operators["total"]["running"]["used"], 1, "{operators:#}");
    assert_eq!(
        operators["total"]["services"]["cleaning"]["in-flight"],
        json!({"used": 1, "most": 64}),
        "{operators:#}"
    );
    assert_eq!(operators["total"]["services"]["function"]["in-flight"]["most"], 1, "{operators:#}");

    let own = limited.usage("large");
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "{own:#}");
    assert_eq!((&own["items"][0]["tenant"], &own["items"][0]["open"]["used"]), (&json!("large"), &json!(0)));
    assert_eq!(own.get("total"), None, "what all tenants use says what the others do");
    assert!(!own.to_string().contains("small"), "{own:#}");
}

#[test]
fn limits_are_read_again_when_told_and_a_slip_of_the_pen_changes_nothing() {
    let mut limited = Limited::start(&json!({"tenant": {"running": 1, "open": 2}}));
    assert_eq!(limited.submit("small", "Endless-1").status, 202);
    assert_eq!(limited.submit("small", "Endless-2").status, 202);
    refused(&limited.submit("small", "Endless-3"), 429, "tenant-quota");

    limited.change("{\"tenant\": {\"runing\": 5}}", NOT_READ);
    let said = limited.shared.stack.orchestrator.said();
    assert!(said.contains("unknown field `runing`"), "it says what is wrong");
    assert_eq!(limited.of("small")["running"]["most"], 1);

    limited.change(&json!({"tenant": {"running": 3, "open": 3}}).to_string(), READ_AGAIN);
    wait_for("what waited has begun", PATIENCE, || {
        Some(limited.of("small")).filter(|small| small["in-flight"]["used"] == 2 && small["queued"]["waiting"] == 0)
    });
    assert_eq!(limited.submit("small", "Endless-3").status, 202);
    let small =
        wait_for("all three run", PATIENCE, || Some(limited.of("small")).filter(|small| small["running"]["used"] == 3));
    assert_eq!(small["running"]["most"], 3, "{small:#}");

    // what is beyond a lower limit goes on
    limited.change(&json!({"tenant": {"running": 1, "open": 1}}).to_string(), READ_AGAIN);
    let small = limited.of("small");
    assert_eq!(
        (&small["running"], &small["queued"]["waiting"]),
        (&json!({"used": 3, "most": 1}), &json!(0)),
        "{small:#}"
    );
    refused(&limited.submit("small", "Another"), 429, "tenant-quota");
}

#[test]
fn a_tenant_that_has_stored_too_much_is_refused_and_nobody_else() {
    let mut limited = Limited::start(&json!({"tenant": {"stored-bytes": 1000}}));
    assert_eq!(limited.submit("small", "Before").status, 202);
    wait_for("nothing of it is open any more", PATIENCE, || {
        (limited.of("small")["open"]["used"].as_u64().unwrap_or(0) == 0).then_some(())
    });
    limited.shared.stack.objects.put("small", "somewhere/large", &[7; 900]);
    limited.shared.stack.objects.put("small", "somewhere/larger", &[7; 101]);
    // counted every minute, and when the limits change
    limited.change(&json!({"tenant": {"stored-bytes": 1001}}).to_string(), READ_AGAIN);
    wait_for("it is counted", PATIENCE, || {
        Some(limited.of("small")).filter(|small| small["stored-bytes"] == json!({"used": 1001, "most": 1001}))
    });
    let answer = limited.submit("small", "After");
    refused(&answer, 429, "tenant-quota");
    assert!(answer.json()["reason"].as_str().unwrap().contains("1001"), "{answer:?}");
    assert_eq!(limited.submit("large", "Other").status, 202);
    limited.change(
        &json!({"tenant": {"stored-bytes": 1000}, "tenants": {"small": {"stored-bytes": 2000}}}).to_string(),
        READ_AGAIN,
    );
    assert_eq!(limited.submit("small", "After").status, 202);
}
