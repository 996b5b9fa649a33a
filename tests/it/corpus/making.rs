//! Makes documents and bytes of what the corpus says.

use serde_json::{Map, Value, json};

use super::data::{Body, Case, Piece};
use crate::peers::KEY;

/// What the names in braces stand for.
pub(super) struct Names {
    /// Different for every shot: ids do not meet.
    pub(super) number: String,
    pub(super) row: u32,
    /// Host and port of the services.
    pub(super) services: String,
    pub(super) each: Value,
}

impl Names {
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{n}", &self.number)
            .replace("{row}", &self.row.to_string())
            .replace("{key}", KEY)
            .replace("{KEY}", &KEY.to_uppercase())
            .replace("{services}", &self.services)
            .replace("{this-machine}", &this_machine())
    }

    /// A value with its names and generators resolved.
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if text == "{each}" => self.value(&self.each),
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(list) => list.iter().map(|value| self.value(value)).collect(),
            Value::Object(object) => match object.keys().next().map(String::as_str) {
                Some("$text") => Value::String(text_of(object, "$text").repeat(count_of(object, "times"))),
                Some("$members") => (0..count_of(object, "$members")).map(|n| (format!("k{n}"), json!(n))).collect(),
                Some("$nested") => (1..count_of(object, "$nested")).fold(json!({}), |inner, _| json!({"a": inner})),
                Some("$jobs") => self.jobs(text_of(object, "$jobs"), count_of(object, "count")),
                _ => object.iter().map(|(key, value)| (key.clone(), self.value(value))).collect(),
            },
            other => other.clone(),
        }
    }

    /// A graph of so many jobs.
    fn jobs(&self, shape: &str, count: usize) -> Value {
        let job = |step: usize, title: &str, from: Value, next: Value| {
            json!({"step": step, "id": format!("{}-{step}", self.number), "title": title, "label": "d", "function": {},
                   "from": from, "next": next})
        };
        let behind = |step: usize| if step == count { json!([0]) } else { json!([step + 1]) };
        match shape {
            "chain" | "cycle" => {
                let mut jobs: Vec<Value> =
                    (1..=count).map(|step| job(step, "data-sink", json!(step - 1), behind(step))).collect();
                jobs[0]["title"] = json!("dataset");
                if shape == "cycle" {
                    jobs[count - 1]["next"] = json!([2]);
                }
                jobs.into()
            }
            "fan" => {
                let all: Vec<usize> = (2..=count).collect();
                let first = job(1, "dataset", json!(0), json!(all));
                std::iter::once(first)
                    .chain(all.iter().map(|step| job(*step, "data-sink", json!(1), json!([0]))))
                    .collect()
            }
            "layers" => {
                let first: Vec<usize> = (1..=1000).collect();
                let start = first.iter().map(|step| job(*step, "dataset", json!(0), json!([1001])));
                start.chain((1001..=count).map(|step| job(step, "function", json!(first), json!([0])))).collect()
            }
            other => panic!("no graph is called {other}"),
        }
    }

    /// The document of a case with the changes of one of several requests at once.
    pub(super) fn document(&self, case: &Case, path: &str, more: &Map<String, Value>) -> String {
        let usual = if path.contains("ngestion") { "ingestion" } else { "playbook" };
        let name = case.document.as_deref().unwrap_or(usual);
        let template = crate::stack::read("corpus/documents.json");
        let mut document = self.value(template.get(name).unwrap_or_else(|| panic!("documents.json has no {name}")));
        for pointer in &case.drop {
            let (place, member) = pointer.rsplit_once('/').expect("a pointer");
            let object = document.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
            assert!(object.shift_remove(member).is_some(), "{pointer} is not there");
        }
        for (pointer, value) in case.set.iter().chain(more) {
            put(&mut document, pointer, self.value(value));
        }
        let text = document.to_string();
        let nested = || format!("{}{}", "[".repeat(case.deep), "]".repeat(case.deep));
        if case.deep == 0 { text } else { text.replace("\"{deep}\"", &nested()) }
    }

    /// The body of a case.
    pub(super) fn body(&self, case: &Case, path: &str) -> Vec<u8> {
        match (&case.hex, &case.body) {
            (Some(bytes), _) => hex_bytes(bytes),
            (None, Some(Body::Text(text))) => self.fill(text).into_bytes(),
            (None, Some(Body::Parts(parts))) => parts.iter().flat_map(|part| self.bytes(part)).collect(),
            (None, None) => self.document(case, path, &Map::new()).into_bytes(),
        }
    }

    /// The bytes of a piece, all at once.
    pub(super) fn bytes(&self, piece: &Piece) -> Vec<u8> {
        match piece {
            Piece::Plain(text) => self.fill(text).into_bytes(),
            Piece::Repeated { text, times } | Piece::Drip { drip: text, times, .. } => text.repeat(*times).into_bytes(),
            Piece::Chunks { chunk, times } => format!("{chunk:x}\r\n{}\r\n", " ".repeat(*chunk)).repeat(*times).into(),
            Piece::Headers { headers } => (0..*headers).map(|n| format!("X-{n}: y\r\n")).collect::<String>().into(),
        }
    }
}

/// Puts a value where a pointer says; one behind the end of a list is appended.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let (place, member) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(place) {
        Some(Value::Object(object)) => drop(object.insert(member.to_owned(), value)),
        Some(Value::Array(list)) => match member.parse::<usize>().expect("a position") {
            at if at < list.len() => list[at] = value,
            at => {
                assert_eq!(at, list.len(), "{pointer}");
                list.push(value);
            }
        },
        other => panic!("{pointer} leads into {other:?}"),
    }
}

fn text_of<'a>(object: &'a Map<String, Value>, member: &str) -> &'a str {
    object[member].as_str().expect("a text")
}

fn count_of(object: &Map<String, Value>, member: &str) -> usize {
    usize::try_from(object[member].as_u64().expect("a count")).unwrap()
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).expect("hex digits")).collect()
}

/// This machine's name, which leads to itself or into its own network: nowhere that `public-only` allows.
fn this_machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux names its machine").trim().to_owned()
}
