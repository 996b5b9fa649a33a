//! Optional members that the platform's own client does not send: how an analysis and its jobs want to be run.
//!
//! *Shape*: `options: {on-failure, deadline-s, max-parallel, priority}` at the top; `timeout-s`, `when`, `retry` in a job.

use std::time::Duration;

use serde_json::Value;

use super::text::{did_you_mean, shown};
use super::wire::Reader;
use super::{OnFailure, Options, Retry, When};

/// Longest time limit: ten years, in seconds.
pub(super) const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;
/// The highest priority; the lowest is 1.
pub(super) const HIGHEST_PRIORITY: u64 = 10;
/// Most attempts a `retry` may ask for.
pub(super) const MOST_ATTEMPTS: u64 = 100;

pub(super) const ON_FAILURE: [(&str, OnFailure); 2] = [("stop", OnFailure::Stop), ("continue", OnFailure::Continue)];

pub(super) const WHEN: [(&str, When); 5] = [
    ("all-success", When::AllSuccess),
    ("all-done", When::AllDone),
    ("one-success", When::OneSuccess),
    ("one-failed", When::OneFailed),
    ("none-failed", When::NoneFailed),
];

impl When {
    /// The rule as a playbook names it.
    pub fn as_str(self) -> &'static str {
        WHEN.iter().find(|(_, rule)| *rule == self).map_or("all-success", |(name, _)| name)
    }
}

/// Reads the member `options` of a playbook.
pub(super) fn read_options(document: &mut Reader<'_, '_>) -> Options {
    let Some(mut reader) = inner(document, "options") else { return Options::default() };
    reader.warn_of_misspelt(&["on-failure", "deadline-s", "max-parallel"]);
    Options {
        on_failure: one_of(&mut reader, "on-failure", &ON_FAILURE).unwrap_or_default(),
        deadline: seconds(&mut reader, "deadline-s", false),
        max_parallel: whole(&mut reader, "max-parallel", u64::from(u32::MAX)).and_then(|n| usize::try_from(n).ok()),
        priority: whole(&mut reader, "priority", HIGHEST_PRIORITY)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(Options::default().priority),
    }
}

/// Reads the member `timeout-s` of a job.
pub(super) fn read_timeout(job: &mut Reader<'_, '_>) -> Option<Duration> {
    seconds(job, "timeout-s", false)
}

/// Reads the member `when` of a job; rules other than the default are for analyses that go on after a failure.
pub(super) fn read_when(job: &mut Reader<'_, '_>, on_failure: OnFailure) -> When {
    let when = one_of(job, "when", &WHEN).unwrap_or_default();
    if when != When::AllSuccess && on_failure != OnFailure::Continue {
        let reason = "this start rule never applies while the first failure stops the analysis";
        job.problem_with_hint(
            "when-needs-continue",
            "when",
            reason.to_owned(),
            "add \"options\": {\"on-failure\": \"continue\"} to the playbook",
        );
    }
    when
}

/// Reads the member `retry` of a job; boxed, because few jobs have one.
pub(super) fn read_retry(job: &mut Reader<'_, '_>) -> Option<Box<Retry>> {
    let mut reader = inner(job, "retry")?;
    reader.warn_of_misspelt(&["attempts", "backoff-s", "max-backoff-s"]);
    let default = Retry::default();
    Some(Box::new(Retry {
        attempts: whole(&mut reader, "attempts", MOST_ATTEMPTS)
            .and_then(|attempts| u32::try_from(attempts).ok())
            .unwrap_or(default.attempts),
        backoff: seconds(&mut reader, "backoff-s", true).unwrap_or(default.backoff),
        max_backoff: seconds(&mut reader, "max-backoff-s", true).unwrap_or(default.max_backoff),
    }))
}

/// The reader of a member that must be an object when it is there.
fn inner<'d, 'f>(outer: &'f mut Reader<'d, '_>, member: &str) -> Option<Reader<'d, 'f>> {
    match outer.optional(member)? {
        Value::Object(object) => {
            Some(Reader { object, at: outer.pointer(member), settings: outer.settings, findings: &mut *outer.findings })
        }
        other => {
            outer.wrong_type(member, "an object", other);
            None
        }
    }
}

fn one_of<T: Copy>(reader: &mut Reader<'_, '_>, member: &str, known: &[(&'static str, T)]) -> Option<T> {
    let value = reader.optional(member)?;
    let found = value.as_str().and_then(|text| known.iter().find(|(name, _)| *name == text));
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(value.as_str().unwrap_or_default(), names.iter().copied());
        let reason = format!("`{member}` must be one of {}, not {}", names.join(", "), shown(value));
        reader.problem_with_hint("bad-option", member, reason, &hint);
    }
    found.map(|(_, value)| *value)
}

fn seconds(reader: &mut Reader<'_, '_>, member: &str, zero_allowed: bool) -> Option<Duration> {
    let value = reader.optional(member)?;
    let Some(number) = value.as_f64() else {
        reader.wrong_type(member, "a number of seconds", value);
        return None;
    };
    let in_range = number <= LONGEST_SECONDS && (number > 0.0 || (zero_allowed && number >= 0.0));
    // A positive number below a nanosecond would round to no time at all.
    let duration =
        Duration::try_from_secs_f64(number).ok().filter(|time| in_range && (zero_allowed || !time.is_zero()));
    if duration.is_none() {
        let least = if zero_allowed { "not negative" } else { "positive" };
        reader.problem(
            "bad-option",
            member,
            format!("`{member}` must be {least} and at most ten years, not {}", shown(value)),
        );
    }
    duration
}

fn whole(reader: &mut Reader<'_, '_>, member: &str, most: u64) -> Option<u64> {
    let value = reader.optional(member)?;
    if !value.is_number() {
        reader.wrong_type(member, "a whole number", value);
        return None;
    }
    let number = value.as_u64().filter(|number| (1..=most).contains(number));
    if number.is_none() {
        reader.problem(
            "bad-option",
            member,
            format!("`{member}` must be a whole number from 1 to {most}, not {}", shown(value)),
        );
    }
    number
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::findings::Findings;
    use super::super::settings::CheckSettings;
    use super::*;

    /// Reads options and job members from one object and gives the codes found.
    fn read(value: &Value) -> (Options, Option<Duration>, When, Vec<&'static str>) {
        let mut findings = Findings::default();
        let settings = CheckSettings::default();
        let object = value.as_object().unwrap();
        let mut reader = Reader { object, at: String::new(), settings: &settings, findings: &mut findings };
        let options = read_options(&mut reader);
        let timeout = read_timeout(&mut reader);
        let when = read_when(&mut reader, options.on_failure);
        read_retry(&mut reader);
        let (problems, warnings) = findings.sorted(object);
        (options, timeout, when, problems.iter().chain(&warnings).map(|found| found.code).collect())
    }

    #[test]
    fn absent_and_null_mean_the_platforms_behaviour() {
        for value in [
            json!({}),
            json!({"options": null, "timeout-s": null, "when": null, "retry": null}),
            json!({"options": {}}),
        ] {
            let (options, timeout, when, codes) = read(&value);
            assert_eq!((options, timeout, when, codes), (Options::default(), None, When::AllSuccess, vec![]));
        }
    }

    #[test]
    fn options_are_read() {
        let (options, timeout, when, codes) = read(&json!({
            "options": {"on-failure": "continue", "deadline-s": 60, "max-parallel": 3, "priority": 9},
            "timeout-s": 0.5, "when": "one-failed", "retry": {"attempts": 3, "backoff-s": 0, "max-backoff-s": 1.5},
        }));
        assert_eq!(options.on_failure, OnFailure::Continue);
        assert_eq!((options.deadline, options.max_parallel), (Some(Duration::from_secs(60)), Some(3)));
        assert_eq!((timeout, when, options.priority), (Some(Duration::from_millis(500)), When::OneFailed, 9));
        assert_eq!(codes, [""; 0]);
    }

    #[test]
    fn a_retry_is_read_and_its_absence_means_one_attempt() {
        let retry = |value: Value| {
            let (mut findings, settings) = (Findings::default(), CheckSettings::default());
            let object = value.as_object().unwrap();
            let mut reader = Reader { object, at: String::new(), settings: &settings, findings: &mut findings };
            read_retry(&mut reader)
        };
        assert_eq!(retry(json!({})), None);
        let all = retry(json!({"retry": {"attempts": 3, "backoff-s": 0, "max-backoff-s": 1.5}}));
        let expected = Retry { attempts: 3, backoff: Duration::ZERO, max_backoff: Duration::from_millis(1500) };
        assert_eq!(all.as_deref(), Some(&expected));
        assert_eq!(
            retry(json!({"retry": {"attempts": 2}})).as_deref(),
            Some(&Retry { attempts: 2, ..Retry::default() })
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        let table = [
            (json!({"options": []}), "type"),
            (json!({"options": {"on-failure": "ignore"}}), "bad-option"),
            (json!({"options": {"on-failure": true}}), "bad-option"),
            (json!({"options": {"deadline-s": 0}}), "bad-option"),
            (json!({"options": {"deadline-s": "60"}}), "type"),
            (json!({"options": {"max-parallel": 0}}), "bad-option"),
            (json!({"options": {"max-parallel": 1.5}}), "bad-option"),
            (json!({"options": {"priority": 0}}), "bad-option"),
            (json!({"options": {"priority": 11}}), "bad-option"),
            (json!({"options": {"priority": "high"}}), "type"),
            (json!({"timeout-s": -1}), "bad-option"),
            (json!({"timeout-s": 1e300}), "bad-option"),
            (json!({"timeout-s": 1e-12}), "bad-option"),
            (json!({"timeout-s": 315_360_001}), "bad-option"),
            (json!({"timeout-s": []}), "type"),
            (json!({"when": "all-succes"}), "bad-option"),
            (json!({"when": "all-done"}), "when-needs-continue"),
            (json!({"retry": 3}), "type"),
            (json!({"retry": {"attempts": 0}}), "bad-option"),
            (json!({"retry": {"attempts": 101}}), "bad-option"),
            (json!({"retry": {"backoff-s": -1}}), "bad-option"),
            (json!({"retry": {"max-backoff-s": "x"}}), "type"),
        ];
        for (value, code) in table {
            assert_eq!(read(&value).3.first(), Some(&code), "{value}");
        }
    }
}
