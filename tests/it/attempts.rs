//! Attempts have numbers: what an older one says comes too late.

use orchestrator::graph::inputs::InputBuffer;
use orchestrator::graph::node::{AttemptEnd, NodeState, Stage, Step};
use orchestrator::playbook::When;

#[test]
fn the_end_of_an_earlier_attempt_changes_nothing() {
    let failure = AttemptEnd::Failed { worth_a_retry: true };
    let mut node = NodeState::new(InputBuffer::new(When::AllSuccess, []), 3);
    assert_eq!(node.on_started(false, false), Step::AskForSlot);
    assert_eq!(node.on_slot(false), Step::Run);
    assert_eq!(node.on_attempt_ended(1, failure), Step::BackOff);
    assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Nothing, "while it waits");
    assert_eq!(node.on_wait_over(false), Step::AskForSlot);
    assert_eq!(node.on_slot(false), Step::Run);
    assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Nothing, "while the second one runs");
    assert_eq!((node.stage(), node.attempt()), (Stage::Running, 2));
}
