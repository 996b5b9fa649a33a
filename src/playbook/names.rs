//! The only doors to the id types of [`super::ids`]: every constructor checks its rule.

use serde_json::Value;

use super::ids::{AnalysisId, JobId, Step, TenantId};
use super::rules::{Fault, LONGEST_ID, id_text, name_text};
use super::text::{is_hidden, quoted, shown};
use crate::chaos::{self, Bug};

/// Names that belong to MongoDB, to the web application or to the data services.
pub(super) const RESERVED: [&str; 6] = ["admin", "local", "config", "uidb", "diastema", "diastemaviz"];
/// Beginnings and endings that S3 keeps for itself.
pub(super) const S3_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
pub(super) const S3_SUFFIXES: [&str; 4] = ["-s3alias", "--ol-s3", "--x-s3", "--table-s3"];
/// Numbers from here on are not exact in JSON readers that know doubles only.
pub(super) const FIRST_INEXACT: u64 = 1 << 53;

impl TenantId {
    /// The tenant of a `database-id`: ASCII, lower-cased, legal as bucket and as database.
    ///
    /// # Errors
    /// `charset`, `ascii-only`, `length`, `edge`, `reserved` or `s3-reserved`.
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        let folded = chaos::seeded(Bug::UnicodeLowering).then(|| raw.to_lowercase());
        let raw = folded.as_deref().unwrap_or(raw);
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        // A foreign letter is never folded: U+212A would become `k` and two organisations would meet.
        if let Some(bad) = raw.chars().find(|c| !legal(*c) && (c.is_ascii() || is_hidden(*c))) {
            return Err(Fault::new("charset", format!("contains {}, allowed are a-z 0-9 -", quoted(&bad.to_string()))));
        }
        if !raw.is_ascii() {
            return Err(Fault::new("ascii-only", format!("may have ASCII letters only: {}", quoted(raw))));
        }
        if !(3..=63).contains(&raw.len()) {
            return Err(Fault::new("length", format!("must have 3 to 63 characters: {}", quoted(raw))));
        }
        if raw.starts_with('-') || raw.ends_with('-') {
            return Err(Fault::new("edge", format!("may not begin or end with `-`: {}", quoted(raw))));
        }
        let name = raw.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err(Fault::new("reserved", format!("is reserved for the platform itself: {}", quoted(raw))));
        }
        if S3_PREFIXES.iter().any(|p| name.starts_with(p)) || S3_SUFFIXES.iter().any(|s| name.ends_with(s)) {
            return Err(Fault::new("s3-reserved", format!("is a form that object stores reserve: {}", quoted(raw))));
        }
        Ok(Self(name))
    }
}

impl AnalysisId {
    /// An analysis or ingestion id from its text.
    ///
    /// # Errors
    /// `bad-id` for a wrong length, `charset` for a wrong character.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        id_text(text, LONGEST_ID, "bad-id")?;
        Ok(Self { text: text.to_owned(), key: text.to_ascii_lowercase() })
    }

    /// The same from a member: a number counts by its text.
    pub(super) fn from_json(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::String(text) => Self::parse(text),
            // A number too large for an integer was rounded while it was read: its text is no longer what was sent.
            Value::Number(number)
                if number.as_f64().is_some_and(|n| number.is_f64() && n.abs() >= FIRST_INEXACT as f64) =>
            {
                Err(Fault::new("number-range", "is too large for a number, send it as a text"))
            }
            Value::Number(number) => Self::parse(&number.to_string()),
            other => Err(Fault::new("bad-id", format!("must be a text, not {}", shown(other)))),
        }
    }
}

impl Step {
    /// A step from its text.
    ///
    /// # Errors
    /// `bad-step` for a wrong length or `0`, `charset` for a wrong character.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        name_text(text, "bad-step")?;
        if text == "0" {
            return Err(Fault::new("bad-step", "may not be 0, which means \"nothing\" in `from` and `next`"));
        }
        Ok(Self { text: text.to_owned(), key: text.to_ascii_lowercase() })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) if number.as_u64().is_some_and(|n| n < FIRST_INEXACT) => {
                Self::parse(&number.to_string())
            }
            other => Err(Fault::new(
                "bad-step",
                format!("must be a whole number from 1 to 2^53-1 or a text, not {}", shown(other)),
            )),
        }
    }
}

impl JobId {
    /// A job id from its text.
    ///
    /// # Errors
    /// `bad-id` for a wrong length, `charset` for a wrong character.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        name_text(text, "bad-id")?;
        Ok(Self { text: text.to_owned(), key: text.to_ascii_lowercase(), is_number: false })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) if number.as_u64().is_some_and(|n| i64::try_from(n).is_ok()) => {
                let text = number.to_string();
                Ok(Self { key: text.clone(), text, is_number: true })
            }
            // Documents hold 64-bit signed integers.
            Value::Number(number) if number.as_f64().is_some_and(|n| n >= i64::MAX as f64) => {
                Err(Fault::new("number-range", "is too large for a number, send it as a text"))
            }
            other => Err(Fault::new("bad-id", format!("must be a whole number or a text, not {}", shown(other)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn tenants_are_legal_buckets_and_databases() {
        let table: &[(&str, &[&str])] = &[
            ("length", &["", "a", "ab", &"a".repeat(64)]),
            ("reserved", &["admin", "local", "config", "UIDB", "uidb", "Diastema", "DIASTEMA", "diastemaviz"]),
            (
                "charset",
                &[
                    "../x",
                    "..%2fx",
                    "a/b",
                    "a\\b",
                    ".hidden",
                    "a.b",
                    "a..b",
                    "192.168.5.4",
                    "me tis",
                    "me\ttis",
                    "me\r\ntis",
                ],
            ),
            (
                "charset",
                &["me\0tis", "me\u{202e}tis", "metis\u{200b}", "$(id)", "`id`", "a;id", "a&b", "a$b", "my_org"],
            ),
            ("edge", &["-abc", "abc-"]),
            (
                "s3-reserved",
                &["xn--abc", "sthree-x", "amzn-s3-demo-x", "x-s3alias", "x--ol-s3", "x--x-s3", "x--table-s3"],
            ),
            ("ascii-only", &["\u{212a}ube", "ＭＥＴＩＳ", "mеtis", "İx1"]),
        ];
        for (code, names) in table {
            for name in *names {
                assert_eq!(TenantId::parse(name).map_err(|fault| fault.code), Err(*code), "{name:?}");
            }
        }
        for (raw, name) in [("Metis", "metis"), ("abc", "abc"), ("a-1", "a-1"), ("123", "123")] {
            assert_eq!(TenantId::parse(raw).unwrap().as_str(), name);
        }
        assert!(TenantId::parse(&"a".repeat(63)).is_ok());
    }

    fn satisfies_the_rule(name: &str) -> bool {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (3..=63).contains(&name.len())
            && name.chars().all(|c| legal(c) || c == '-')
            && name.starts_with(legal)
            && name.ends_with(legal)
    }

    proptest! {
        #[test]
        fn an_accepted_tenant_satisfies_the_rule(raw in "[a-zA-Z0-9.-]{1,66}|\\PC{0,70}|.{0,10}") {
            if let Ok(tenant) = TenantId::parse(&raw) {
                prop_assert!(satisfies_the_rule(tenant.as_str()), "{:?}", raw);
                prop_assert_eq!(raw.to_lowercase(), tenant.as_str());
            }
        }
    }

    #[test]
    fn ids_keep_their_text_and_compare_by_their_key() {
        let id = AnalysisId::from_json(&json!("039FF")).unwrap();
        assert_eq!((id.text(), id.key()), ("039FF", "039ff"));
        assert_eq!(id, AnalysisId::parse("039ff").unwrap());
        assert_eq!(AnalysisId::from_json(&json!(42)).unwrap().text(), "42");
        assert_eq!(AnalysisId::from_json(&json!(1.5)).unwrap().text(), "1.5");
        assert_eq!(Step::from_json(&json!(1)).unwrap(), Step::from_json(&json!("1")).unwrap());
        assert_eq!(JobId::from_json(&json!(7)).unwrap().as_json(), json!(7));
        assert_eq!(JobId::from_json(&json!("7")).unwrap().as_json(), json!("7"));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in [json!(null), json!({}), json!([]), json!(true), json!("")] {
            assert_eq!(AnalysisId::from_json(&bad).unwrap_err().code, "bad-id", "{bad}");
        }
        assert_eq!(AnalysisId::from_json(&json!(1e30)).unwrap_err().code, "number-range");
        for bad in
            [json!(0), json!(-1), json!(true), json!(1.5), json!(1_u64 << 53), json!("0"), json!(""), json!(null)]
        {
            assert_eq!(Step::from_json(&bad).unwrap_err().code, "bad-step", "{bad}");
        }
        assert!(Step::from_json(&json!((1_u64 << 53) - 1)).is_ok());
        for bad in [json!(1.5), json!(-1), json!(null), json!([1]), json!("x".repeat(257))] {
            assert_eq!(JobId::from_json(&bad).unwrap_err().code, "bad-id", "{bad}");
        }
        for large in [json!(9_223_372_036_854_775_808_u64), json!(1e30)] {
            assert_eq!(JobId::from_json(&large).unwrap_err().code, "number-range", "{large}");
        }
        for bad in ["1&id=2", "1#x", "a b"] {
            assert_eq!(JobId::from_json(&json!(bad)).unwrap_err().code, "charset", "{bad}");
        }
    }
}
