//! Free-form members that are stored or sent as they are: how large they are, and what a document database cannot hold.

use std::io::{self, Write};

use serde_json::{Map, Value, map};

use super::Problem;
use super::findings::Findings;
use super::text::{pointer_token, quoted};

/// Length of a value as compact JSON, in bytes.
pub(super) fn compact_length(value: &Value) -> usize {
    let mut counter = Counter(0);
    // Writing to a counter cannot fail and keys are texts, so the other arm is never taken.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes what documents cannot hold anywhere inside an object: NUL in keys, integers beyond 64 bits signed.
///
/// Members in `skip` have rules of their own.
pub(super) fn check_storable(object: &Map<String, Value>, at: &str, skip: &[&str], findings: &mut Findings) {
    walk(Open::Object(object.iter(), ""), at, skip, findings);
}

/// [`check_storable`] for a value of any type.
pub(super) fn check_storable_value(value: &Value, at: &str, findings: &mut Findings) {
    walk(Open::Itself(Some(value)), at, &[], findings);
}

fn walk<'a>(start: Open<'a>, at: &str, skip: &[&str], findings: &mut Findings) {
    // Open places instead of recursion: the value need not come from our own parser.
    let mut open = vec![start];
    while let Some(last) = open.last_mut() {
        let Some(value) = last.step() else {
            open.pop();
            continue;
        };
        let key = last.key();
        if open.len() == 1 && skip.contains(&key) {
            continue;
        }
        if key.contains('\0') {
            let reason = format!("the member name {} contains a NUL character", quoted(key));
            findings.problem(Problem::new("bad-key", pointer(at, &open), reason));
        }
        match value {
            Value::Array(list) => open.push(Open::List(list.iter(), 0)),
            Value::Object(object) => open.push(Open::Object(object.iter(), "")),
            Value::Number(number) if number.as_u64().is_some_and(|n| i64::try_from(n).is_err()) => {
                let reason = format!("the number {number} does not fit into 64 bits signed");
                findings.problem(Problem::new("number-range", pointer(at, &open), reason));
            }
            Value::Number(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }
}

/// A list or an object that is being walked, with where the walk stands.
enum Open<'a> {
    Itself(Option<&'a Value>),
    List(std::slice::Iter<'a, Value>, usize),
    Object(map::Iter<'a>, &'a str),
}

impl<'a> Open<'a> {
    fn step(&mut self) -> Option<&'a Value> {
        match self {
            Open::Itself(value) => value.take(),
            Open::List(values, count) => {
                *count += 1;
                values.next()
            }
            Open::Object(members, current) => {
                let (key, value) = members.next()?;
                *current = key;
                Some(value)
            }
        }
    }

    /// The member name the walk stands at, empty in a list.
    fn key(&self) -> &'a str {
        match self {
            Open::Itself(_) | Open::List(..) => "",
            Open::Object(_, current) => current,
        }
    }

    /// The pointer's part for where the walk stands, with its slash.
    fn token(&self) -> String {
        match self {
            Open::Itself(_) => String::new(),
            Open::List(_, count) => format!("/{}", count - 1),
            Open::Object(_, current) => format!("/{}", pointer_token(current)),
        }
    }
}

fn pointer(at: &str, open: &[Open<'_>]) -> String {
    open.iter().fold(at.to_owned(), |path, place| path + &place.token())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_are_those_of_compact_json() {
        let value = json!({"a": [1, null, "é\n"], "b": {}});
        assert_eq!(compact_length(&value), value.to_string().len());
    }

    #[test]
    fn what_documents_cannot_hold_is_found_at_any_depth() {
        let job = json!({
            "params": {"ok": 1, "a\0b": {"deep": [1, 9_223_372_036_854_775_808_u64]}},
            "id": 9_223_372_036_854_775_808_u64,
            "x/1": [[{"\0": null}]],
            "largest": i64::MAX,
        });
        let mut findings = Findings::default();
        check_storable(job.as_object().unwrap(), "/jobs/7", &["id"], &mut findings);
        let (problems, _) = findings.sorted(&Map::new());
        let found: Vec<_> = problems.iter().map(|problem| (problem.code, problem.at.as_str())).collect();
        assert!(found.contains(&("bad-key", "/jobs/7/params/a\0b")), "{found:?}");
        assert!(found.contains(&("number-range", "/jobs/7/params/a\0b/deep/1")), "{found:?}");
        assert!(found.contains(&("bad-key", "/jobs/7/x~11/0/0/\0")), "{found:?}");
        assert_eq!(found.len(), 3);

        let mut findings = Findings::default();
        check_storable_value(&json!([{"a\0": 1}]), "/metadata", &mut findings);
        check_storable_value(&json!(u64::MAX), "/metadata", &mut findings);
        let at: Vec<String> = findings.sorted(&Map::new()).0.into_iter().map(|problem| problem.at).collect();
        assert_eq!(at, ["/metadata", "/metadata/0/a\0"]);
    }
}
