//! The circuit breaker of one service: a service that is down is not asked by everybody who waits for it. Decides only;
//! the time is told to it.
//!
//! ```text
//! closed -- 5 failures in a row --> open -- its time is over --> half open: one call goes through
//!   ^                                ^                             |  |
//!   |                                +------- it fails too --------+  |
//!   +--------------- it succeeds, or stands at least -----------------+
//! ```

use std::time::Duration;

use actix::clock::Instant;

/// Failures in a row that open a closed circuit.
const FAILURES: u32 = 5;

/// The first time that a circuit stays open; doubles each time the probe fails.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// No circuit stays open for longer without a probe.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Whoever is about to give up may try once more, unless somebody has tried in vain within this time.
const FRESH: Duration = Duration::from_secs(3);

/// Waits are spread over this part of themselves, so that several circuits do not close in step.
const SPREAD: f64 = 0.25;

/// One circuit.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Grows with every change of state: what comes of a call counts only in the state that let it through.
    epoch: u64,
    longest_wait: Duration,
    /// A probe that has been under way for longer has a connection, whatever it still waits for.
    connects_within: Duration,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Instant, until: Instant, wait: Duration },
    HalfOpen { since: Instant, wait: Duration },
}

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Go; what came of it is to be told with this number.
    Pass(u64),
    /// Do not touch the network.
    Refused {
        /// Until the next call may go through, nothing while one is on its way.
        left: Duration,
    },
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody is there and in order.
    Reached,
    /// Nobody is there, or only the word that something is wrong with the service itself.
    Down,
    /// Nobody waits for it any more.
    Unknown,
}

impl Breaker {
    /// A closed circuit. `patience` is how long a start is repeated: a circuit never stays open for longer, or a service
    /// that is back would not be noticed in time. `connects_within` is the limit of making a connection.
    pub(super) fn new(patience: Duration, connects_within: Duration) -> Self {
        let state = State::Closed { failures: 0 };
        Self { state, epoch: 0, longest_wait: LONGEST_WAIT.min(patience), connects_within }
    }

    /// Whether a call may go through.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Pass(self.epoch),
            State::Open { until, .. } if now < until => Admission::Refused { left: until - now },
            State::Open { wait, .. } => self.probe(now, wait),
            State::HalfOpen { since, .. } if now.duration_since(since) > self.connects_within => {
                self.becomes(State::Closed { failures: 0 });
                Admission::Pass(self.epoch)
            }
            State::HalfOpen { .. } => Admission::Refused { left: Duration::ZERO },
        }
    }

    /// Somebody is about to give up: the next call may go through, unless there is fresh news.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let State::Open { since, until, .. } = &mut self.state
            && now.duration_since(*since) >= FRESH
        {
            *until = now.min(*until);
        }
    }

    /// Whether calls are held back.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// Whether the one call that goes through is under way.
    pub(super) fn is_probing(&self, now: Instant) -> bool {
        matches!(self.state, State::HalfOpen { since, .. } if now.duration_since(since) <= self.connects_within)
    }

    /// What came of an admitted call. `chance` is between 0 and 1 and spreads the waits.
    pub(super) fn hear(&mut self, admitted: u64, outcome: Outcome, now: Instant, chance: f64) {
        if admitted != self.epoch {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed { failures }, Outcome::Reached) => *failures = 0,
            (State::Closed { failures }, Outcome::Down) => {
                *failures += 1;
                if *failures >= FAILURES {
                    self.opens(FIRST_WAIT, now, chance);
                }
            }
            (State::HalfOpen { .. }, Outcome::Reached) => self.becomes(State::Closed { failures: 0 }),
            (State::HalfOpen { wait, .. }, Outcome::Down) => {
                let wait = *wait * 2;
                self.opens(wait, now, chance);
            }
            // the next call takes the place of a probe that was dropped
            (State::HalfOpen { wait, .. }, Outcome::Unknown) => {
                let wait = *wait;
                self.becomes(State::Open { since: now, until: now, wait });
            }
            (State::Closed { .. }, Outcome::Unknown) | (State::Open { .. }, _) => {}
        }
    }

    fn probe(&mut self, now: Instant, wait: Duration) -> Admission {
        self.becomes(State::HalfOpen { since: now, wait });
        Admission::Pass(self.epoch)
    }

    fn opens(&mut self, wait: Duration, now: Instant, chance: f64) {
        let wait = wait.min(self.longest_wait);
        let until = now + wait.mul_f64(1.0 - SPREAD * chance);
        self.becomes(State::Open { since: now, until, wait });
    }

    fn becomes(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, Instant) {
        (Breaker::new(Duration::from_secs(300), Duration::from_secs(5)), Instant::now())
    }

    /// One call whose outcome is known at once; whether it went through.
    fn call(breaker: &mut Breaker, now: Instant, outcome: Outcome) -> bool {
        match breaker.admit(now) {
            Admission::Pass(epoch) => {
                breaker.hear(epoch, outcome, now, 0.0);
                true
            }
            Admission::Refused { .. } => false,
        }
    }

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = breaker();
        for _ in 0..FAILURES {
            assert!(call(&mut breaker, now, Outcome::Down));
        }
        (breaker, now)
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn failures_in_a_row_open_the_circuit_and_others_do_not() {
        let (mut breaker, now) = breaker();
        for _ in 0..100 {
            for _ in 1..FAILURES {
                assert!(call(&mut breaker, now, Outcome::Down));
            }
            assert!(call(&mut breaker, now, Outcome::Reached));
        }
        let (mut breaker, now) = opened();
        assert_eq!(breaker.admit(now), Admission::Refused { left: secs(1.0) });
    }

    #[test]
    fn one_probe_goes_through_and_its_failure_doubles_the_wait_up_to_thirty_seconds() {
        let (mut breaker, mut now) = opened();
        for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            assert!(!call(&mut breaker, now + secs(wait - 0.001), Outcome::Down), "{wait}");
            now += secs(wait);
            let Admission::Pass(probe) = breaker.admit(now) else { panic!("no probe after {wait} s") };
            assert_eq!(breaker.admit(now), Admission::Refused { left: Duration::ZERO }, "one probe only");
            breaker.hear(probe, Outcome::Down, now, 0.0);
        }
    }

    #[test]
    fn a_probe_that_reaches_somebody_closes_the_circuit_and_the_next_wait_is_short_again() {
        let (mut breaker, now) = opened();
        let now = now + secs(1.0);
        assert!(call(&mut breaker, now, Outcome::Reached));
        for _ in 0..FAILURES {
            assert!(call(&mut breaker, now, Outcome::Down));
        }
        assert_eq!(breaker.admit(now), Admission::Refused { left: secs(1.0) });
    }

    #[test]
    fn a_probe_that_nobody_waits_for_any_more_makes_room_for_another_one() {
        let (mut breaker, now) = opened();
        let now = now + secs(1.0);
        assert!(call(&mut breaker, now, Outcome::Unknown));
        assert!(call(&mut breaker, now, Outcome::Reached));
    }

    /// A Spark job is answered after hours.
    #[test]
    fn a_probe_that_takes_longer_than_a_connection_has_one() {
        let (mut breaker, now) = opened();
        let now = now + secs(1.0);
        let Admission::Pass(probe) = breaker.admit(now) else { panic!("no probe") };
        assert!(!call(&mut breaker, now + secs(5.0), Outcome::Reached));
        assert!(call(&mut breaker, now + secs(5.1), Outcome::Reached));
        breaker.hear(probe, Outcome::Down, now + secs(5.2), 0.0);
        assert!(call(&mut breaker, now + secs(5.2), Outcome::Reached), "it counts no more");
    }

    #[test]
    fn whoever_is_about_to_give_up_may_try_once_more_unless_the_news_is_fresh() {
        let (mut breaker, mut now) = opened();
        for wait in [1.0, 2.0, 4.0, 8.0] {
            now += secs(wait);
            assert!(call(&mut breaker, now, Outcome::Down));
        }
        breaker.hurry(now + secs(2.9));
        assert!(!call(&mut breaker, now + secs(2.9), Outcome::Reached));
        breaker.hurry(now + secs(3.0));
        assert!(!breaker.is_probing(now + secs(3.0)));
        let Admission::Pass(_) = breaker.admit(now + secs(3.0)) else { panic!("no probe") };
        assert!(breaker.is_probing(now + secs(8.0)) && !breaker.is_probing(now + secs(8.1)));
    }

    #[test]
    fn what_was_sent_before_the_circuit_opened_changes_nothing_after() {
        let (mut breaker, now) = breaker();
        let Admission::Pass(early) = breaker.admit(now) else { panic!("closed") };
        for _ in 0..FAILURES {
            call(&mut breaker, now, Outcome::Down);
        }
        breaker.hear(early, Outcome::Reached, now, 0.0);
        assert!(!call(&mut breaker, now, Outcome::Reached));
    }

    #[test]
    fn waits_are_spread_and_never_longer_than_a_start_is_patient() {
        let (mut breaker, now) = (Breaker::new(secs(0.4), secs(5.0)), Instant::now());
        for _ in 0..FAILURES {
            let Admission::Pass(epoch) = breaker.admit(now) else { panic!("closed") };
            breaker.hear(epoch, Outcome::Down, now, 1.0);
        }
        assert_eq!(breaker.admit(now), Admission::Refused { left: secs(0.3) });
    }
}
