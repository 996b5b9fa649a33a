//! Whether a run can still go on by itself: proved by counting, not guessed by a clock.
//!
//! Every message between the actors of a run is counted when it is sent and when it is received. When everything sent was
//! received, nobody is at work, nobody stands in line and no wait is under way, then nothing will ever happen again: an
//! analysis that is not finished then is stuck.

use super::progress::{GraphProgress, JobState};
use super::{JobGraph, JobIndex};

/// What is under way in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Vitals {
    /// Messages that were sent so far.
    pub sent: u64,
    /// Messages that were received so far.
    pub received: u64,
    /// Jobs that something will happen to by itself: an attempt, a wait before one, a service that is being told.
    pub busy: u32,
    /// Jobs that stand in line for a slot.
    pub at_gate: u32,
    /// Jobs that could start but for a pause.
    pub held: u32,
    /// Whether nothing may start.
    pub paused: bool,
    /// Jobs that have not ended.
    pub open: usize,
}

impl Vitals {
    /// A pause is over for the run and not for a job: the order to go on has been lost, or is on its way.
    pub fn waits_for_resume(&self) -> bool {
        self.held > 0 && !self.paused
    }
}

/// What the vitals mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Diagnosis {
    /// Something is under way.
    Alive,
    /// Messages that were sent before the last look have not arrived: they never will.
    MessagesLost,
    /// Nothing is under way, and the run is not finished.
    Stuck,
}

/// Judges a run by its vitals now and at the look before.
///
/// Messages between living actors arrive within a turn of the thread: when fewer have arrived by now than had been sent
/// by the look before, some of those never will.
pub fn diagnose(before: Vitals, now: Vitals) -> Diagnosis {
    if now.open == 0 {
        return Diagnosis::Alive;
    }
    if now.received < before.sent {
        return Diagnosis::MessagesLost;
    }
    if now.received < now.sent {
        return Diagnosis::Alive;
    }
    let has_prospects = now.busy > 0 || now.at_gate > 0 || now.held > 0 || now.paused;
    if has_prospects { Diagnosis::Alive } else { Diagnosis::Stuck }
}

/// What a run remembers of the looks at its vitals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Looks {
    last: Vitals,
    /// Why the journal is being read back, while it is.
    healing: Option<Diagnosis>,
    /// Jobs that were open, and ends that the journal knew, when the run last went on from it, unless it was well since.
    healed_with: Option<(usize, usize)>,
}

impl Looks {
    /// One look. Answers a diagnosis when the run has to go on from its journal; while it is being read there is none.
    pub fn look(&mut self, now: Vitals) -> Option<Diagnosis> {
        let diagnosis = diagnose(std::mem::replace(&mut self.last, now), now);
        if self.healing.is_some() {
            return None;
        }
        if diagnosis == Diagnosis::Alive {
            self.healed_with = None;
            return None;
        }
        self.healing = Some(diagnosis);
        Some(diagnosis)
    }

    /// The journal was read back, and every end that it knows was heard; so many are `ended`. False when that has brought
    /// nothing, for the second time with the same ends: nothing ever will.
    pub fn heals(&mut self, now: Vitals, ended: usize) -> bool {
        let was_stuck = self.healing.take() == Some(Diagnosis::Stuck);
        let before = self.healed_with.replace((now.open, ended));
        !(was_stuck && before == Some((now.open, ended)) && diagnose(now, now) == Diagnosis::Stuck)
    }

    /// The journal could not be read back: the next look asks again.
    pub fn could_not_read(&mut self) {
        self.healing = None;
    }

    /// What of it will ever matter when the vitals are these: of the counts only their differences do.
    pub fn relative_to(&self, now: Vitals) -> (u64, Option<Diagnosis>, Option<(usize, usize)>) {
        (self.last.sent.saturating_sub(now.received), self.healing, self.healed_with)
    }
}

/// The first edge that should have spoken and whose job waits all the same: from a job that has ended to one that has not.
/// Jobs come in topological order, so everything before it is in order.
pub fn missing_edge(graph: &JobGraph, progress: &GraphProgress) -> Option<(JobIndex, JobIndex)> {
    let ended = |job: JobIndex| progress.state(job).is_some_and(JobState::is_terminal);
    let waiting = graph.topological().iter().copied().filter(|job| !ended(*job));
    waiting.flat_map(|job| graph.incoming(job).map(move |(_, from)| (from, job))).find(|(from, _)| ended(*from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::progress::JobEnd;
    use crate::playbook::OnFailure;

    fn vitals(sent: u64, received: u64, busy: u32) -> Vitals {
        Vitals { sent, received, busy, open: 2, ..Vitals::default() }
    }

    #[test]
    fn whoever_has_something_under_way_is_alive() {
        let idle = vitals(5, 5, 0);
        assert_eq!(diagnose(idle, vitals(5, 5, 1)), Diagnosis::Alive);
        assert_eq!(diagnose(idle, Vitals { at_gate: 1, ..idle }), Diagnosis::Alive);
        assert_eq!(diagnose(idle, Vitals { held: 1, ..idle }), Diagnosis::Alive, "it is told again to go on");
        assert_eq!(diagnose(idle, Vitals { paused: true, ..idle }), Diagnosis::Alive);
        assert_eq!(diagnose(idle, Vitals { open: 0, ..idle }), Diagnosis::Alive);
        assert_eq!(diagnose(idle, vitals(7, 6, 0)), Diagnosis::Alive, "a message that has just been sent");
    }

    #[test]
    fn a_message_that_stays_on_its_way_is_lost_whoever_is_at_work() {
        assert_eq!(diagnose(vitals(7, 6, 0), vitals(7, 6, 0)), Diagnosis::MessagesLost);
        assert_eq!(diagnose(vitals(7, 6, 3), vitals(7, 6, 3)), Diagnosis::MessagesLost);
        assert_eq!(diagnose(vitals(7, 6, 3), vitals(9, 8, 3)), Diagnosis::Alive, "it may be one of the new ones");
    }

    #[test]
    fn stuck_is_when_nothing_is_left_that_could_happen() {
        assert_eq!(diagnose(vitals(5, 5, 0), vitals(5, 5, 0)), Diagnosis::Stuck);
    }

    #[test]
    fn a_run_is_given_up_when_its_journal_has_not_helped_twice() {
        let (mut looks, idle) = (Looks::default(), vitals(5, 5, 0));
        assert_eq!(looks.look(idle), Some(Diagnosis::Stuck));
        assert_eq!(looks.look(idle), None, "the journal is being read");
        assert!(looks.heals(idle, 0));
        assert_eq!(looks.look(idle), Some(Diagnosis::Stuck));
        assert!(looks.heals(Vitals { open: 1, ..idle }, 0), "it has brought something");
        assert_eq!(looks.look(Vitals { open: 1, ..idle }), Some(Diagnosis::Stuck));
        assert!(looks.heals(Vitals { open: 1, busy: 1, ..idle }, 0), "something has begun meanwhile");
        assert_eq!(looks.look(Vitals { open: 1, ..idle }), Some(Diagnosis::Stuck));
        assert!(looks.heals(Vitals { open: 1, ..idle }, 1), "the journal knows more than the last time");
        assert_eq!(looks.look(Vitals { open: 1, ..idle }), Some(Diagnosis::Stuck));
        assert!(!looks.heals(Vitals { open: 1, ..idle }, 1));
    }

    #[test]
    fn a_run_that_was_well_since_is_not_given_up() {
        let (mut looks, idle) = (Looks::default(), vitals(5, 5, 0));
        for _ in 0..3 {
            assert_eq!(looks.look(idle), Some(Diagnosis::Stuck));
            assert!(looks.heals(idle, 0));
            assert_eq!(looks.look(vitals(5, 5, 1)), None);
        }
        assert_eq!(looks.look(idle), Some(Diagnosis::Stuck));
        looks.could_not_read();
        assert_eq!(looks.look(idle), Some(Diagnosis::Stuck));
    }

    #[test]
    fn the_missing_edge_leads_from_an_ended_job_to_an_open_one() {
        let graph = JobGraph::new(4, [(0, 1), (1, 2), (0, 3)]).expect("no cycle");
        let mut progress = GraphProgress::new(4, OnFailure::Stop);
        assert_eq!(missing_edge(&graph, &progress), None);
        progress.on_job_finished(0, JobEnd::Succeeded);
        progress.on_job_finished(3, JobEnd::Succeeded);
        assert_eq!(missing_edge(&graph, &progress), Some((0, 1)));
        progress.on_job_finished(1, JobEnd::Succeeded);
        assert_eq!(missing_edge(&graph, &progress), Some((1, 2)));
    }
}
