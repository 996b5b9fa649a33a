//! What an analysis knows about its jobs: decides what a finished or failed job means for the whole.
//!
//! Hears every end and may hear them in any order: a job's end may overtake its predecessor's.

use super::JobIndex;
use crate::playbook::OnFailure;

/// Where a job stands. The last four are terminal and absorb whatever comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waiting or running: its node knows which.
    Open,
    /// Told to stop, has not answered yet.
    Stopping,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Never started, because its rule could not be met or its analysis was over.
    Skipped,
    /// Stopped while running.
    Cancelled,
}

impl JobState {
    /// Whether nothing can change it any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, JobState::Succeeded | JobState::Failed | JobState::Skipped | JobState::Cancelled)
    }
}

/// The four ways a job can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobEnd {
    /// It has a result.
    Succeeded,
    /// It has a cause.
    Failed,
    /// It was never started.
    Skipped,
    /// It was stopped while running.
    Cancelled,
}

/// How an analysis ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No job failed.
    Succeeded,
    /// A job failed; the first one is the cause.
    Failed {
        /// The job whose failure was heard first.
        first: JobIndex,
    },
    /// Stopped from outside: time limit or user.
    Stopped,
}

/// What the analysis has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphAction {
    /// Tell this job's node to stop and to say so.
    StopJob(JobIndex),
    /// Every job has ended: close the analysis. Emitted exactly once, nothing is emitted afterwards.
    FinishAnalysis(Outcome),
}

/// The state of every job of one analysis, and the failure policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GraphProgress {
    states: Vec<JobState>,
    open: usize,
    policy: OnFailure,
    first_failure: Option<JobIndex>,
    stopping: bool,
    stopped_from_outside: bool,
    ignored: u64,
}

impl GraphProgress {
    /// An analysis of `jobs` jobs, none started.
    pub fn new(jobs: usize, policy: OnFailure) -> Self {
        Self {
            states: vec![JobState::Open; jobs],
            open: jobs,
            policy,
            first_failure: None,
            stopping: false,
            stopped_from_outside: false,
            ignored: 0,
        }
    }

    /// A job has ended.
    pub fn on_job_finished(&mut self, job: JobIndex, end: JobEnd) -> Vec<GraphAction> {
        let Some(state) = self.states.get_mut(job).filter(|state| !state.is_terminal()) else {
            self.ignored += 1;
            return Vec::new();
        };
        *state = match end {
            JobEnd::Succeeded => JobState::Succeeded,
            JobEnd::Failed => JobState::Failed,
            JobEnd::Skipped => JobState::Skipped,
            JobEnd::Cancelled => JobState::Cancelled,
        };
        self.open -= 1;
        let mut actions = Vec::new();
        if end == JobEnd::Failed {
            self.first_failure.get_or_insert(job);
            if self.policy == OnFailure::Stop {
                self.stop_the_rest(&mut actions);
            }
        }
        if self.open == 0 {
            actions.push(GraphAction::FinishAnalysis(self.outcome()));
        }
        actions
    }

    /// The analysis is to end now, for a reason outside its jobs.
    pub fn stop(&mut self) -> Vec<GraphAction> {
        let mut actions = Vec::new();
        if self.open > 0 {
            self.stopped_from_outside |= self.first_failure.is_none();
            self.stop_the_rest(&mut actions);
        }
        actions
    }

    /// An earlier life of the process has begun to stop the analysis, for a reason outside its jobs: whatever is heard of
    /// them, that is how it ends. What is still open has to be stopped again.
    pub fn was_stopped(&mut self) {
        self.stopped_from_outside = true;
    }

    /// Whether it is being stopped for a reason outside its jobs: the first such reason is what it ends as.
    pub fn is_stopped_from_outside(&self) -> bool {
        self.stopped_from_outside
    }

    /// Where a job stands.
    pub fn state(&self, job: JobIndex) -> Option<JobState> {
        self.states.get(job).copied()
    }

    /// Jobs that have not ended.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Messages that changed nothing because their job had ended already.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Every job that has not ended is told to stop, waiting ones too: only when each has answered is it certain that
    /// nothing starts after the end.
    fn stop_the_rest(&mut self, actions: &mut Vec<GraphAction>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        for (job, state) in self.states.iter_mut().enumerate() {
            if !state.is_terminal() {
                *state = JobState::Stopping;
                actions.push(GraphAction::StopJob(job));
            }
        }
    }

    fn outcome(&self) -> Outcome {
        match self.first_failure {
            Some(first) if !self.stopped_from_outside => Outcome::Failed { first },
            _ if self.stopped_from_outside => Outcome::Stopped,
            _ => Outcome::Succeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finishes_once_when_the_last_job_ends() {
        let mut progress = GraphProgress::new(2, OnFailure::Stop);
        assert_eq!(progress.on_job_finished(0, JobEnd::Succeeded), []);
        assert_eq!(progress.on_job_finished(1, JobEnd::Succeeded), [GraphAction::FinishAnalysis(Outcome::Succeeded)]);
        assert_eq!(progress.on_job_finished(1, JobEnd::Failed), []);
        assert_eq!(progress.ignored(), 1);
    }

    #[test]
    fn the_first_failure_stops_the_rest_and_is_the_cause() {
        let mut progress = GraphProgress::new(3, OnFailure::Stop);
        let actions = progress.on_job_finished(1, JobEnd::Failed);
        assert_eq!(actions, [GraphAction::StopJob(0), GraphAction::StopJob(2)]);
        assert_eq!(progress.on_job_finished(0, JobEnd::Failed), []);
        let end = progress.on_job_finished(2, JobEnd::Skipped);
        assert_eq!(end, [GraphAction::FinishAnalysis(Outcome::Failed { first: 1 })]);
    }

    #[test]
    fn a_success_that_was_under_way_still_counts_while_stopping() {
        let mut progress = GraphProgress::new(2, OnFailure::Stop);
        progress.on_job_finished(0, JobEnd::Failed);
        let end = progress.on_job_finished(1, JobEnd::Succeeded);
        assert_eq!(progress.state(1), Some(JobState::Succeeded));
        assert_eq!(end, [GraphAction::FinishAnalysis(Outcome::Failed { first: 0 })]);
    }

    #[test]
    fn with_continue_the_others_go_on_and_the_analysis_fails_at_its_end() {
        let mut progress = GraphProgress::new(2, OnFailure::Continue);
        assert_eq!(progress.on_job_finished(0, JobEnd::Failed), []);
        let end = progress.on_job_finished(1, JobEnd::Succeeded);
        assert_eq!(end, [GraphAction::FinishAnalysis(Outcome::Failed { first: 0 })]);
    }

    #[test]
    fn stopping_from_outside_waits_for_every_job() {
        let mut progress = GraphProgress::new(2, OnFailure::Stop);
        assert_eq!(progress.stop(), [GraphAction::StopJob(0), GraphAction::StopJob(1)]);
        assert_eq!(progress.stop(), []);
        progress.on_job_finished(0, JobEnd::Cancelled);
        let end = progress.on_job_finished(1, JobEnd::Skipped);
        assert_eq!(end, [GraphAction::FinishAnalysis(Outcome::Stopped)]);
    }

    #[test]
    fn what_was_stopped_before_its_last_job_was_heard_of_has_not_succeeded() {
        let mut progress = GraphProgress::new(2, OnFailure::Continue);
        progress.was_stopped();
        progress.on_job_finished(0, JobEnd::Cancelled);
        let end = progress.on_job_finished(1, JobEnd::Skipped);
        assert_eq!(end, [GraphAction::FinishAnalysis(Outcome::Stopped)]);
    }

    #[test]
    fn every_order_of_ends_gives_the_same_outcome() {
        let ends = [(0, JobEnd::Succeeded), (1, JobEnd::Failed), (2, JobEnd::Skipped)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut progress = GraphProgress::new(3, OnFailure::Continue);
            let finishes: Vec<_> =
                order.iter().flat_map(|&at| progress.on_job_finished(ends[at].0, ends[at].1)).collect();
            assert_eq!(finishes, [GraphAction::FinishAnalysis(Outcome::Failed { first: 1 })]);
        }
    }
}
