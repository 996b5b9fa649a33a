//! Schemathesis, a property-based tester of APIs, makes requests from `/openapi.json`, good and bad ones, with a token and without:
//! no server error, no status and no refusal that the document does not know.

use std::process::Command;

use crate::peers::{KEY, program};
use crate::stack::{Stack, Stores};

/// Good and bad requests per operation.
const EXAMPLES: &str = "25";

#[test]
fn requests_of_any_kind_are_answered_as_the_document_says() {
    let variables =
        [("WRONG_TOKENS", "1000000"), ("BODY_TIMEOUT_SECONDS", "2"), ("INGESTION_TEST_TIMEOUT_SECONDS", "1")];
    let stack = Stack::answering(Stores::Embedded, Default::default(), &variables);
    let address = &stack.orchestrator.server.address;
    for header in [Some(format!("Authorization: Bearer {KEY}")), None] {
        let mut command = Command::new(program("schemathesis"));
        command.args(["run", &format!("http://{address}/openapi.json"), "--max-examples", EXAMPLES, "--seed", "1"]);
        command.args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ]);
        command.args(["--phases", "coverage,fuzzing", "--no-color", "--suppress-health-check", "all"]);
        command.args(["--continue-on-failure", "--request-timeout", "20"]);
        command.env("PYTHONHASHSEED", "0").args(header.iter().flat_map(|header| ["--header", header]));
        let output = command.current_dir(stack.orchestrator.data_dir()).output().expect("schemathesis can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{header:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(stack.orchestrator.server.get("/health").status, 200);
}
