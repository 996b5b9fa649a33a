//! `from` and `next`: reads both, finds the jobs they name, and notes what does not fit together.
//!
//! Cycles and reachability are the graph's business; here every finding concerns one job and those it names.

use std::collections::HashMap;

use serde_json::Value;

use super::Problem;
use super::findings::Findings;
use super::text::{did_you_mean, quoted, shown};
use super::wire::{Reader, Reference};

/// Near misses are looked for in playbooks up to this size ...
const MOST_COMPARED: usize = 5_000;
/// ... and for the first few unknown steps only, so that a hostile document costs no quadratic time.
const MOST_SUGGESTIONS: usize = 5;

/// What a job's `from` says about how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `0`: the job starts at once.
    Start,
    /// Every named input exists.
    Inputs,
    /// Some named input does not exist or is unreadable (already a problem).
    Broken,
    /// `""` or `[]`: connected to nothing (already a problem).
    Unconnected,
    /// Missing or no reference at all (already a problem): it may have been meant as a start.
    Unknown,
}

/// One entry of `from` or `next` that names a step.
#[derive(Debug)]
pub(super) struct Named {
    key: String,
    /// Its position when it stands in a list.
    position: Option<usize>,
}

impl Named {
    /// Whether the step stood alone rather than in a list.
    pub(super) fn is_scalar(&self) -> bool {
        self.position.is_none()
    }
}

/// `from` and `next` of one job as read.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) entry: Entry,
    pub(super) from: Vec<Named>,
    pub(super) next: Vec<Named>,
}

/// `from` and `next` of one job as positions in the list of jobs.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) entry: Entry,
    pub(super) inputs: Vec<usize>,
    pub(super) next: Vec<usize>,
}

impl Links {
    /// The links of something that is no job object.
    pub(super) fn unknown() -> Self {
        Self { entry: Entry::Unknown, from: Vec::new(), next: Vec::new() }
    }

    /// Reads the members `from` and `next`.
    pub(super) fn read(job: &mut Reader<'_, '_>) -> Self {
        let (entry, from) = read_from(job);
        Self { entry, from, next: read_next(job) }
    }
}

fn read_from(job: &mut Reader<'_, '_>) -> (Entry, Vec<Named>) {
    const HINT: &str = "use 0 for a starting job, else a step or a list of steps";
    let bad = |job: &mut Reader<'_, '_>, reason: String| job.problem_with_hint("bad-from", "from", reason, HINT);
    let entry = match job.get("from") {
        None => {
            job.absent("bad-from", "from", HINT);
            Entry::Unknown
        }
        Some(Value::String(text)) if text.is_empty() => {
            bad(job, "`from` is empty: the job is connected to nothing".to_owned());
            Entry::Unconnected
        }
        Some(Value::Array(list)) if list.is_empty() => {
            bad(job, "`from` is an empty list: the job is connected to nothing".to_owned());
            Entry::Unconnected
        }
        Some(Value::Array(list)) => {
            let mut entry = Entry::Inputs;
            let mut named = Vec::with_capacity(list.len());
            for (position, value) in list.iter().enumerate() {
                match Reference::read(value) {
                    Some(Reference::Step(key)) => named.push(Named { key, position: Some(position) }),
                    Some(Reference::Nothing) => {
                        entry = Entry::Broken;
                        entry_problem(
                            job,
                            "bad-from",
                            "from",
                            position,
                            "0 may not stand in a list; a starting job has `\"from\": 0`".to_owned(),
                        );
                    }
                    None => {
                        entry = Entry::Broken;
                        entry_problem(job, "bad-from", "from", position, format!("{} names no step", shown(value)));
                    }
                }
            }
            return (entry, named);
        }
        Some(value) => match Reference::read(value) {
            Some(Reference::Nothing) => Entry::Start,
            Some(Reference::Step(key)) => return (Entry::Inputs, vec![Named { key, position: None }]),
            None => {
                bad(job, format!("`from` must be 0, a step or a list of steps, not {}", shown(value)));
                Entry::Unknown
            }
        },
    };
    (entry, Vec::new())
}

fn read_next(job: &mut Reader<'_, '_>) -> Vec<Named> {
    let mut named = Vec::new();
    match job.get("next") {
        None => job.missing("next", "use [0] when nothing follows"),
        Some(Value::Array(list)) => {
            for (position, value) in list.iter().enumerate() {
                match Reference::read(value) {
                    Some(Reference::Step(key)) => named.push(Named { key, position: Some(position) }),
                    Some(Reference::Nothing) => {}
                    None => entry_problem(job, "type", "next", position, format!("{} names no step", shown(value))),
                }
            }
            warn_of_forms(job, list);
        }
        Some(value) => match Reference::read(value) {
            Some(Reference::Step(key)) => named.push(Named { key, position: None }),
            Some(Reference::Nothing) => {}
            None => job.wrong_type("next", "a list of steps", value),
        },
    }
    named
}

/// Forms of `next` that are understood but not what the platform writes (`decisions` 4).
fn warn_of_forms(job: &mut Reader<'_, '_>, list: &[Value]) {
    if list.is_empty() {
        job.warning(
            "dead-end",
            "next",
            "`next` is an empty list: nothing follows".to_owned(),
            "use [0] when nothing follows",
        );
    } else if list.len() > 1 && list.iter().any(|value| Reference::read(value) == Some(Reference::Nothing)) {
        job.warning(
            "mixed-end",
            "next",
            "the 0 among the steps of `next` is ignored".to_owned(),
            "use 0 only when nothing follows",
        );
    }
}

fn entry_problem(job: &mut Reader<'_, '_>, code: &'static str, member: &str, position: usize, reason: String) {
    let at = format!("{}/{position}", job.pointer(member));
    job.findings.problem(Problem::new(code, at, reason));
}

/// Finds the jobs that every `from` and `next` names. `index` maps the key of a step to its first job.
pub(super) fn resolve(links: &[Links], index: &HashMap<&str, usize>, findings: &mut Findings) -> Vec<Resolved> {
    let mut resolver = Resolver { links, index, findings, suggestions: 0 };
    (0..links.len()).map(|job| resolver.job(job)).collect()
}

struct Resolver<'a> {
    links: &'a [Links],
    index: &'a HashMap<&'a str, usize>,
    findings: &'a mut Findings,
    suggestions: usize,
}

impl Resolver<'_> {
    fn job(&mut self, job: usize) -> Resolved {
        let links = self.links;
        let inputs = self.positions(job, "from", &links[job].from);
        let next = self.positions(job, "next", &links[job].next);
        let entry = match links[job].entry {
            Entry::Inputs if inputs.len() < links[job].from.len() => Entry::Broken,
            entry => entry,
        };
        for (target, named) in &next {
            // A job that names itself is a cycle, which says more.
            if *target != job && links[*target].entry == Entry::Start {
                let reason = format!(
                    "step {} starts by itself (its `from` is 0) and cannot follow this job",
                    quoted(&named.key)
                );
                let hint = "name this job in its `from`, or remove it from `next`";
                self.findings.problem(Problem::new("edge-mismatch", at(job, "next", named), reason).hint(hint));
            }
        }
        Resolved {
            entry,
            inputs: inputs.into_iter().map(|(target, _)| target).collect(),
            next: next.into_iter().map(|(target, _)| target).collect(),
        }
    }

    fn positions<'n>(&mut self, job: usize, member: &str, named: &'n [Named]) -> Vec<(usize, &'n Named)> {
        let mut found = Vec::with_capacity(named.len());
        for name in named {
            match self.index.get(name.key.as_str()) {
                Some(target) => found.push((*target, name)),
                None => self.dangling(job, member, name),
            }
        }
        found
    }

    fn dangling(&mut self, job: usize, member: &str, named: &Named) {
        let mut hint = String::new();
        if self.suggestions < MOST_SUGGESTIONS && self.index.len() <= MOST_COMPARED {
            self.suggestions += 1;
            let mut steps: Vec<(usize, &str)> = self.index.iter().map(|(key, job)| (*job, *key)).collect();
            steps.sort_unstable();
            hint = did_you_mean(&named.key, steps.into_iter().map(|(_, key)| key));
        }
        if hint.is_empty() {
            hint = "name a step of this playbook or remove the reference".to_owned();
        }
        let reason = format!("`{member}` names step {}, which does not exist", quoted(&named.key));
        self.findings.problem(Problem::new("dangling-edge", at(job, member, named), reason).hint(hint));
    }
}

fn at(job: usize, member: &str, named: &Named) -> String {
    match named.position {
        Some(position) => format!("/jobs/{job}/{member}/{position}"),
        None => format!("/jobs/{job}/{member}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::check::{CheckSettings, check};
    use super::super::fixtures::{accepted, book, found, job, problems, refused};

    /// Two functions, the second behind the first, with other `next` and `from`.
    fn pair(next: Value, from: Value) -> Map<String, Value> {
        book(json!([
            {"step": 1, "id": 1, "title": "function", "function": {}, "from": 0, "next": next},
            {"step": "B", "id": 2, "title": "function", "function": {}, "from": from, "next": [0]},
        ]))
    }

    #[test]
    fn scalars_lists_and_zeros_are_understood() {
        let mixed = ("mixed-end", "/jobs/0/next");
        let nexts = [
            (json!(["b"]), None),
            (json!("B"), None),
            (json!(["B", 0]), Some(mixed)),
            (json!(["0", "b"]), Some(mixed)),
        ];
        for (next, warned) in nexts {
            for from in [json!([1]), json!(["1"])] {
                let document = pair(next.clone(), from);
                accepted(&document, warned.as_slice());
                assert_eq!((job(&document, 0).next, job(&document, 1).inputs), (vec![1], vec![0]));
            }
        }
        for from in [json!(1), json!("1")] {
            assert_eq!(job(&pair(json!(["b"]), from), 1).inputs, [0]);
        }
        let dead = ("dead-end", "/jobs/0/next");
        for (nothing, warned) in
            [(json!([]), Some(dead)), (json!([0]), None), (json!(0), None), (json!("0"), None), (json!(["0"]), None)]
        {
            for start in [json!(0), json!("0")] {
                let document = pair(nothing.clone(), start);
                accepted(&document, warned.as_slice());
                assert_eq!((job(&document, 0).next, job(&document, 1).inputs), (vec![], vec![]));
            }
        }
    }

    #[test]
    fn repetitions_and_order_are_kept() {
        let document = pair(json!(["b", "b"]), json!([1, "1", 1]));
        assert_eq!((job(&document, 0).next, job(&document, 1).inputs), (vec![1, 1], vec![0, 0, 0]));
    }

    #[test]
    fn from_must_name_a_beginning() {
        for from in [json!(""), json!([]), json!(null), json!({}), json!(true), json!(1.5)] {
            refused(&pair(json!(["b"]), from), "bad-from", "/jobs/1/from");
        }
        for from in [json!([0]), json!(["0"])] {
            refused(&pair(json!(["b"]), from), "bad-from", "/jobs/1/from/0");
        }
        for entry in [json!(0), json!(null), json!([1]), json!({}), json!("")] {
            refused(&pair(json!(["b"]), json!([1, entry])), "bad-from", "/jobs/1/from/1");
        }
        let mut document = pair(json!(["b"]), json!(1));
        document["jobs"][1].as_object_mut().unwrap().remove("from");
        refused(&document, "bad-from", "/jobs/1/from");
    }

    #[test]
    fn next_must_be_steps() {
        for next in [json!(""), json!(null), json!({}), json!(true), json!(1.5)] {
            refused(&pair(next, json!(1)), "type", "/jobs/0/next");
        }
        refused(&pair(json!(["b", null, "b"]), json!(1)), "type", "/jobs/0/next/1");
        let mut document = pair(json!(["b"]), json!(1));
        document["jobs"][0].as_object_mut().unwrap().remove("next");
        refused(&document, "missing", "/jobs/0/next");
    }

    #[test]
    fn unknown_steps_are_dangling() {
        refused(&pair(json!(["b"]), json!(99)), "dangling-edge", "/jobs/1/from");
        refused(&pair(json!(["b"]), json!([1, 99])), "dangling-edge", "/jobs/1/from/1");
        refused(&pair(json!(["b", 99]), json!(1)), "dangling-edge", "/jobs/0/next/1");
        refused(&pair(json!(5), json!(1)), "dangling-edge", "/jobs/0/next");
        refused(&pair(json!(["b", -1]), json!(1)), "dangling-edge", "/jobs/0/next/1");
        // The Kelvin sign is not folded into a step `k`.
        let mut document = pair(json!(["K", "\u{212a}"]), json!([1]));
        document["jobs"][1]["step"] = json!("k");
        refused(&document, "dangling-edge", "/jobs/0/next/1");
    }

    #[test]
    fn a_starting_job_follows_nobody() {
        refused(&pair(json!(["b"]), json!(0)), "edge-mismatch", "/jobs/0/next/0");
        refused(&pair(json!("B"), json!(0)), "edge-mismatch", "/jobs/0/next");
    }

    #[test]
    fn a_near_step_is_suggested() {
        let document = book(json!([
            {"step": "load", "id": 1, "title": "function", "function": {}, "from": 0, "next": ["cleen"]},
            {"step": "clean", "id": 2, "title": "function", "function": {}, "from": "load", "next": [0]},
        ]));
        let refusal = check(&document, &CheckSettings::default()).unwrap_err();
        assert_eq!(refusal.problems[0].hint, r#"did you mean "clean"?"#);
    }

    #[test]
    fn every_unknown_step_is_named_in_document_order() {
        let document = pair(json!([7, 8, "b"]), json!([9, 1]));
        let expected = [
            ("dangling-edge", "/jobs/0/next/0"),
            ("dangling-edge", "/jobs/0/next/1"),
            ("dangling-edge", "/jobs/1/from/0"),
        ];
        assert_eq!(problems(&document), expected.map(|(code, at)| (code, at.to_owned())));
        assert_eq!(found(&[]), []);
    }
}
