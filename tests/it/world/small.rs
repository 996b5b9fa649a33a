//! Small worlds of which every state is looked at.

use std::sync::Arc;

use orchestrator::playbook::job::Service;

use super::explorer::{Order, explore};
use super::{Faults, Setting, World};

#[test]
fn nothing_forbidden_can_happen_and_the_end_stays_in_reach_in_small_worlds() {
    let crashes = |crashes| Faults { crashes, ..Faults::default() };
    let pair = || Setting::new(2, &[(0, 1)]).all_by(Service::Cleaning);
    let chain = || Setting::new(3, &[(0, 1), (1, 2)]);
    let join = || Setting::new(3, &[(0, 2), (1, 2)]);
    for (name, setting, faults) in [
        ("two crashes", pair(), crashes(2)),
        ("a lost reply", pair(), Faults { lost_replies: 1, ..crashes(2) }),
        ("a message twice", pair(), Faults { duplicates: 1, ..crashes(2) }),
        ("a message lost", pair(), Faults { drops: 1, ..crashes(2) }),
        ("cancelled", pair(), Faults { cancels: 1, ..crashes(2) }),
        ("paused", pair(), Faults { pauses: 1, ..crashes(2) }),
        ("all messages' faults", pair(), Faults { lost_replies: 1, duplicates: 1, drops: 1, ..crashes(2) }),
        ("chain", chain().all_by(Service::Cleaning), crashes(2)),
        ("chain after a data set", chain(), crashes(2)),
        ("join", join().all_by(Service::Cleaning), crashes(2)),
        ("join of data sets, a message lost", join(), Faults { drops: 1, ..crashes(1) }),
    ] {
        let world = World::new(Arc::new(setting), faults);
        let explored = explore(&world, Order::ShortestFirst).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert!(explored.ends.contains("succeeded") && explored.ends.contains("failed"), "{name}: {explored:?}");
        assert_eq!(explored.ends.contains("cancelled"), faults.cancels > 0, "{name}: {explored:?}");
    }
}
