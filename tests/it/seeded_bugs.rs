//! The tests can fail: each of the fourteen faults of `src/chaos.rs` is put in, and a test has to find it.
//!
//! The finding test runs in a process of its own with `SEEDED_BUG` set, which reaches the program that it starts, too.
//! Without the fault the same test passes as part of the suite. `RELIABILITY.md` has the table.

use std::process::{Command, Stdio};

/// Runs a test of this binary with a fault put in; it has to fail, and because of what it asserts.
#[track_caller]
fn is_found(bug: u32, test: &str) {
    let this = std::env::current_exe().unwrap();
    let run = |bug: Option<u32>| {
        let mut command = Command::new(&this);
        command.args(["--exact", test, "--test-threads", "1"]).stdin(Stdio::null());
        bug.map(|bug| command.env("SEEDED_BUG", bug.to_string()));
        command.output().unwrap()
    };
    let found = run(Some(bug));
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(said.contains("1 failed"), "bug {bug} passes {test}:\n{said}{}", String::from_utf8_lossy(&found.stderr));
}

macro_rules! seeded_bugs {
    ($($name:ident: $number:literal by $test:literal;)*) => {
        #[test]
        fn each_of_the_fourteen_is_here_once() {
            assert_eq!([$($number),*], std::array::from_fn::<u32, 14, _>(|place| place as u32 + 1));
            assert_eq!(orchestrator::chaos::Bug::ALL.len(), 14);
        }

        $(
            #[test]
            fn $name() {
                is_found($number, $test);
            }
        )*
    };
}

seeded_bugs! {
    an_acknowledgement_before_the_commit: 1 by "acceptance::what_is_acknowledged_is_committed";
    a_start_without_an_intent: 2 by "stack::kill_points::k5_the_answer_to_a_start_was_read_and_not_written_down";
    a_start_that_is_repeated_blindly: 3 by "stack::kill_points::k5_the_answer_to_a_start_was_read_and_not_written_down";
    counting_nodes_instead_of_edges: 4 by "model::an_input_buffer_counts_each_edge_once_and_settles_once";
    counting_a_repeated_edge: 5 by "model::an_input_buffer_counts_each_edge_once_and_settles_once";
    deleting_the_evidence_before_the_journal_has_the_success: 6 by "stack::kill_points::k15c_the_evidence_was_seen_and_the_success_is_not_written_down";
    trusting_the_reply_of_spark: 7 by "recipes::failures::spark_replies_but_has_left_no_evidence";
    no_limit_of_time: 8 by "recipes::patience::a_job_that_never_finishes_ends_at_its_limit";
    accepting_the_end_of_an_earlier_attempt: 9 by "attempts::the_end_of_an_earlier_attempt_changes_nothing";
    a_document_with_another_id_each_time: 10 by "stack::kill_points::k9_a_record_has_gone_out_and_that_is_not_written_down";
    ownership_outside_the_transaction: 11 by "acceptance::a_job_id_goes_to_one_of_two_tenants";
    folding_foreign_letters: 12 by "names::letters_that_only_look_alike_are_not_taken_for_ours";
    a_rename_without_a_sync_of_the_folder: 13 by "stack::power::an_object_that_was_answered_is_there_after_a_power_cut";
    two_functions_at_once: 14 by "tenancy::functions_of_all_tenants_run_one_at_a_time_while_others_go_on";
}
