//! The tests can fail: each of the fourteen faults of `src/chaos.rs` is put in, and a test has to find it.
//!
//! The finding test runs in a process of its own with `SEEDED_BUG` set, which reaches the program that it starts, too.
//! Without the fault the same test passes as part of the suite. `RELIABILITY.md` has the table.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a test of this binary with a fault put in. It has to fail, and because of what the fault does: all of `because` has
/// to be in what it says or in the assertions that it fails at. A peer that does not start finds nothing.
#[track_caller]
fn is_found(bug: u32, test: &str, because: &[&str]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads", "1"]).stdin(Stdio::null());
    command.env("SEEDED_BUG", bug.to_string()).env_remove("RUST_BACKTRACE");
    let run = command.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("1 failed"), "bug {bug} passes {test}:\n{said}");
    let assertions = assertions_of(&said);
    let missing: Vec<&&str> =
        because.iter().filter(|why| !said.contains(**why) && !assertions.contains(**why)).collect();
    assert!(
        missing.is_empty(),
        "{test} fails with bug {bug} for another reason, without {missing:?}:\n{assertions}\n{said}"
    );
}

/// The source of the assertions that a failed test names. *Shape* in what it says: `tests/it/model.rs:232`.
fn assertions_of(said: &str) -> String {
    let places = said.match_indices("tests/it/").map(|(start, _)| &said[start..]);
    places.filter_map(assertion_at).collect::<Vec<String>>().join("\n")
}

/// One of them: everything up to the end of its statement.
fn assertion_at(place: &str) -> Option<String> {
    let (file, rest) = place.split_once(':')?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let line: usize = digits.parse().ok()?;
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
    let mut statement = Vec::new();
    for line in source.lines().skip(line.checked_sub(1)?) {
        statement.push(line.trim());
        if line.ends_with(';') {
            break;
        }
    }
    Some(statement.join(" "))
}

#[test]
fn an_assertion_is_read_where_the_panic_says() {
    let (file, line) = (file!(), line!() + 1);
    assert!(line > 1, "what is looked for");
    let found = assertions_of(&format!("panicked at {file}:{line}:5:\nassertion failed"));
    assert!(found.contains("what is looked for"), "{found}");
}

macro_rules! seeded_bugs {
    ($($name:ident: $number:literal by $test:literal because $because:expr;)*) => {
        #[test]
        fn each_of_the_fourteen_is_here_once() {
            assert_eq!([$($number),*], std::array::from_fn::<u32, 14, _>(|place| place as u32 + 1));
            assert_eq!(orchestrator::chaos::Bug::ALL.len(), 14);
        }

        $(
            #[test]
            fn $name() {
                is_found($number, $test, &$because);
            }
        )*
    };
}

seeded_bugs! {
    an_acknowledgement_before_the_commit: 1 by "acceptance::what_is_acknowledged_is_committed"
        because ["history.find(Space::Analysis"];
    a_start_without_an_intent: 2 by "stack::kill_points::k5_the_answer_to_a_start_was_read_and_not_written_down"
        because ["repeated_starts(&stack), BTreeMap::new()", "(\"POST /data-cleaning\", \"2\"): 2"];
    a_start_that_is_repeated_blindly: 3 by "stack::kill_points::k5_the_answer_to_a_start_was_read_and_not_written_down"
        because ["repeated_starts(&stack), BTreeMap::new()", "(\"POST /data-cleaning\", \"2\"): 2"];
    counting_nodes_instead_of_edges: 4 by "model::an_input_buffer_counts_each_edge_once_and_settles_once"
        because ["missing"];
    counting_a_repeated_edge: 5 by "model::an_input_buffer_counts_each_edge_once_and_settles_once"
        because ["answer.is_ok(), fresh"];
    deleting_the_evidence_before_the_journal_has_the_success: 6 by "stack::kill_points::k15c_the_evidence_was_seen_and_the_success_is_not_written_down"
        because ["run[\"state\"], \"succeeded\"", "no _SUCCESS appeared in the output"];
    trusting_the_reply_of_spark: 7 by "recipes::failures::spark_replies_but_has_left_no_evidence"
        because ["failure-spark-no-evidence.txt, line "];
    no_limit_of_time: 8 by "recipes::patience::a_job_that_never_finishes_ends_at_its_limit"
        because ["the run settles: Elapsed"];
    accepting_the_end_of_an_earlier_attempt: 9 by "attempts::the_end_of_an_earlier_attempt_changes_nothing"
        because ["AttemptEnd::Succeeded), Step::Nothing"];
    a_document_with_another_id_each_time: 10 by "stack::kill_points::k9_a_record_has_gone_out_and_that_is_not_written_down"
        because ["one document for each job and the metadata"];
    ownership_outside_the_transaction: 11 by "acceptance::a_job_id_goes_to_one_of_two_tenants"
        because ["winners(&decided), 1"];
    folding_foreign_letters: 12 by "names::letters_that_only_look_alike_are_not_taken_for_ours"
        because ["TenantId::parse(foreign).is_err()"];
    a_rename_without_a_sync_of_the_folder: 13 by "stack::power::an_object_that_was_answered_is_there_after_a_power_cut"
        because ["read.as_ref() == Ok(content)"];
    two_functions_at_once: 14 by "tenancy::functions_of_all_tenants_run_one_at_a_time_while_others_go_on"
        because ["most_at_once_at(Service::Function), 1"];
}
