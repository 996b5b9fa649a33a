//! Bytes to JSON, strictly: what two readers could understand differently is refused here, before anything
//! is looked at.
//!
//! Every finding of this file is a `400`: `bad-json`, `bad-utf8`, `duplicate-key`, `too-deep`, `limit`, `number-range`.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Problem;
use super::text::{pointer_token, quoted};

/// Deepest nesting of lists and objects.
pub const DEEPEST: usize = 64;

/// A member of the document that may be nested less deeply: it is stored inside a document of the database, whose own
/// nesting is limited.
const SHALLOW: &str = "metadata";
/// Deepest nesting of that member.
pub const DEEPEST_METADATA: usize = 32;

/// Reads one JSON document.
///
/// Time is linear in the length, the stack holds at most [`DEEPEST`] levels.
///
/// # Errors
/// The first finding, with line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::new("bad-utf8", "", format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    Strict { depth: 0, deepest: DEEPEST, found: &found }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| refusal(text, &error, found.take()))
}

fn refusal(text: &str, error: &serde_json::Error, found: Option<Found>) -> Problem {
    if let Some(Found { code, what, path }) = found {
        let at = path.iter().rev().map(|token| format!("/{token}")).collect::<String>();
        return Problem::new(code, at, format!("{what} at line {} column {}", error.line(), error.column()));
    }
    let reason = error.to_string();
    if reason.starts_with("number out of range") {
        return Problem::new("number-range", "", reason).hint("numbers end at about 1.8e308");
    }
    let hint = match text.chars().next() {
        None => "send the document as the body of the request",
        Some('\u{feff}') => "save the file without a byte order mark",
        Some(_) => "",
    };
    Problem::new("bad-json", "", format!("the body is not JSON: {reason}")).hint(hint)
}

/// A finding of our own: serde errors carry text only.
struct Found {
    code: &'static str,
    what: String,
    /// Pointer tokens, innermost first.
    path: Vec<String>,
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    /// Most levels here.
    deepest: usize,
    found: &'a RefCell<Option<Found>>,
}

impl Strict<'_> {
    fn stop<E: Error>(&self, code: &'static str, what: String) -> E {
        self.found.replace(Some(Found { code, what, path: Vec::new() }));
        E::custom(code)
    }

    /// Completes the pointer on the way out; costs nothing while all is well.
    fn passing_through(&self, token: impl FnOnce() -> String) {
        if let Some(found) = self.found.borrow_mut().as_mut() {
            found.path.push(token());
        }
    }

    fn deeper<E: Error>(&self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(self.stop("too-deep", format!("lists and objects are nested deeper than {DEEPEST}")));
        }
        if self.depth == self.deepest {
            return Err(self.stop("limit", format!("`{SHALLOW}` is nested deeper than {DEEPEST_METADATA}")));
        }
        Ok(Self { depth: self.depth + 1, ..*self })
    }

    /// How the member of an object is read, which is itself read so.
    fn member(self, name: &str) -> Self {
        let shallow = self.depth == 1 && name == SHALLOW;
        Self { deepest: if shallow { self.depth + DEEPEST_METADATA } else { self.deepest }, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        loop {
            match access.next_element_seed(inner) {
                Ok(Some(value)) => list.push(value),
                Ok(None) => return Ok(Value::Array(list)),
                Err(error) => {
                    self.passing_through(|| list.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if object.contains_key(&key) {
                let error = self.stop("duplicate-key", format!("the member {} stands here twice", quoted(&key)));
                self.passing_through(|| pointer_token(&key));
                return Err(error);
            }
            match access.next_value_seed(inner.member(&key)) {
                Ok(value) => object.insert(key, value),
                Err(error) => {
                    self.passing_through(|| pointer_token(&key));
                    return Err(error);
                }
            };
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(code: &str, bytes: &[u8]) -> Problem {
        let problem = parse(bytes).expect_err("this body is refused");
        assert_eq!(problem.code, code, "{problem:?}");
        problem
    }

    #[test]
    fn broken_bodies_are_bad_json_with_line_and_column() {
        let bodies = [
            "",
            " ",
            "{",
            "{} {}",
            "\u{feff}{}",
            r#""\ud800""#,
            "NaN",
            "[Infinity]",
            "{'a':1}",
            "[1,]",
            r#"{"a":1,}"#,
            "// c\n{}",
            "01",
        ];
        for body in bodies {
            let problem = refused("bad-json", body.as_bytes());
            assert!(problem.reason.contains("line 1 column"), "{problem:?}");
        }
        assert!(refused("bad-json", b"{\n \"a\": }").reason.contains("line 2 column 7"));
    }

    #[test]
    fn wrong_bytes_and_numbers_have_their_own_codes() {
        refused("bad-utf8", b"{\"a\":\"\xff\"}");
        refused("number-range", b"1e400");
        refused("number-range", br#"{"jobs":[{"max-shrink":-1e999}]}"#);
    }

    #[test]
    fn a_member_given_twice_is_found_at_any_depth() {
        let problem = refused("duplicate-key", br#"{"diastema-token":"good","jobs":[],"diastema-token":"bad"}"#);
        assert_eq!(problem.at, "/diastema-token");
        let problem = refused("duplicate-key", br#"{"jobs":[{"a":1},{"x/y":{"k~":1,"k~":2}}]}"#);
        assert_eq!(problem.at, "/jobs/1/x~1y/k~0");
        // Escapes are resolved first: these are the same member.
        refused("duplicate-key", br#"{"a":1,"\u0061":2}"#);
    }

    #[test]
    fn nesting_ends_at_sixty_four() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(64).as_bytes()).is_ok());
        for depth in [65, 129, 1_000_000] {
            refused("too-deep", nested(depth).as_bytes());
            refused("too-deep", "[".repeat(depth).as_bytes());
            refused("too-deep", r#"{"a":"#.repeat(depth).as_bytes());
        }
        assert_eq!(refused("too-deep", nested(65).as_bytes()).at, "/0".repeat(64));
    }

    #[test]
    fn the_nesting_of_metadata_ends_at_thirty_two() {
        let with = |member: &str, depth: usize| {
            format!("{{\"{member}\":{}{},\"jobs\":[]}}", "[".repeat(depth), "]".repeat(depth))
        };
        assert!(parse(with("metadata", 32).as_bytes()).is_ok());
        assert!(parse(with("x-mine", 63).as_bytes()).is_ok());
        assert!(parse(format!("[{}]", with("metadata", 40)).as_bytes()).is_ok(), "that is no member of the document");
        let problem = refused("limit", with("metadata", 33).as_bytes());
        assert!(problem.at.starts_with("/metadata/0/0"), "{}", problem.at);
        refused("too-deep", with("x-mine", 64).as_bytes());
    }

    #[test]
    fn key_order_and_values_are_kept() {
        let text = r#"{"z":1,"a":[null,true,-5,18446744073709551615,0.25,"é"],"m":{"b":1,"a":2}}"#;
        assert_eq!(parse(text.as_bytes()).map(|value| value.to_string()).as_deref(), Ok(text));
        assert_eq!(parse(b"null"), Ok(json!(null)));
    }

    #[test]
    fn many_keys_take_linear_time() {
        let keys: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
        let object = parse(format!("{{{}}}", keys.join(",")).as_bytes()).unwrap();
        assert_eq!(object.as_object().map(Map::len), Some(100_000));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(parse(&bytes).is_ok(), parse(&bytes).is_ok());
        }

        #[test]
        fn json_like_texts_agree_with_serde_json(text in r#"[\[\]{}",:0-9eE.\-a\\ ]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(Some(value), serde_json::from_str(&text).ok());
            }
        }
    }
}
