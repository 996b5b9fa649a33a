//! Which keys messages to Spark carry, as they arrive.

use dummy_services::Script;

use super::SPARK;
use crate::peers::Orchestrator;
use crate::stack::{PATIENCE, Stack, Stores, playbook};

/// User and password of every message to Spark.
fn keys_sent(stack: &Stack, analysis: &str, first_job: u64) -> Vec<(String, String)> {
    let orchestrator: &Orchestrator = &stack.orchestrator;
    orchestrator.submit(&playbook("clustering.json", "keys", analysis, first_job));
    let run = orchestrator.settled("analyses", analysis, PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let messages = stack.dummies.ledger().into_iter().filter(|entry| entry.service == "SPARK");
    messages.map(|entry| (text(&entry.body["minio-user"]), text(&entry.body["minio-pass"]))).collect()
}

#[test]
fn spark_gets_its_own_keys_or_none_and_only_without_any_those_of_the_orchestrator() {
    // the embedded store knows the key that Spark gets, and that one only; the other one takes any
    let separate = [("SPARK_MINIO_USER", "spark-user"), ("SPARK_MINIO_PASS", SPARK)];
    let cases = [
        (Stores::Embedded, Vec::new(), ("diastema", "diastema")),
        (Stores::Embedded, separate.to_vec(), ("spark-user", SPARK)),
        (Stores::Real, vec![("SPARK_KEYS", "empty")], ("", "")),
    ];
    for (number, (stores, settings, (user, pass))) in (0..).zip(cases) {
        let stack = Stack::start(stores, Script::default(), &settings);
        stack.ingest("keys", "People");
        let sent = keys_sent(&stack, &format!("Keys-{number}"), 4_600_000 + 100 * number);
        assert!(!sent.is_empty());
        for keys in sent {
            assert_eq!(keys, (user.to_owned(), pass.to_owned()), "{settings:?}");
        }
    }
}
