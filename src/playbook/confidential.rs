//! Parts of a document that may hold a sender's secrets: forwarded as they are, never printed, and blotted out of whatever
//! comes back with them in it.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded;

use super::ingestion_url;

/// What stands in place of a secret.
const STARS: &str = "***";

/// Shorter texts are no secrets: blotting them out would only make words unreadable. *Unit*: bytes.
const SHORTEST: usize = 4;

/// A parameter of an address that is as long as this is taken for a secret whatever it is called. *Unit*: bytes.
const LONG: usize = 16;

/// Most texts that are looked for: a request with more is odd, and looking takes time for each.
const MOST: usize = 1_000;

/// Members of a request that name columns and formats, which errors have to be able to name.
const PLAIN: [&str; 6] = ["method", "separator", "url", "labels", "first-line-labels", "raw_type"];

/// Parts of names that secrets go by.
const NAMES: [&str; 9] = ["token", "secret", "pass", "pwd", "key", "auth", "cred", "sig", "session"];

/// A value whose `Debug` prints stars and which cannot be serialized.
#[derive(Clone, PartialEq)]
pub struct Confidential(Value);

impl Confidential {
    /// Wraps a value.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends it.
    pub fn reveal(&self) -> &Value {
        &self.0
    }

    /// What has to be blotted out of a service's words about the request: every text in it other than names of columns and
    /// formats, and what its address carries beside the place.
    pub fn blot(&self) -> Blot {
        let mut texts = Vec::new();
        if let Value::Object(request) = &self.0 {
            for (member, value) in request.iter().filter(|(member, _)| !PLAIN.contains(&member.as_str())) {
                // what is under a name of its own may be shown, but the name says that it is a secret
                collect(value, &mut texts);
                if is_secret(member)
                    && let Some(number) = value.as_number()
                {
                    texts.push(number.to_string());
                }
            }
            if let Some(url) = request.get("url").and_then(Value::as_str) {
                of_address(url, &mut texts);
            }
        }
        Blot::new(texts)
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part))
}

/// Every text in a value; of texts with blanks also each long word: `Bearer <token>`.
fn collect(value: &Value, texts: &mut Vec<String>) {
    let mut open = vec![value];
    while let Some(value) = open.pop().filter(|_| texts.len() < MOST) {
        match value {
            Value::String(text) => {
                texts.push(text.clone());
                texts.extend(text.split_whitespace().filter(|word| word.len() >= 2 * SHORTEST).map(str::to_owned));
            }
            Value::Array(list) => open.extend(list),
            Value::Object(object) => open.extend(object.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// User, password, the query as a whole, and those of its values that look like secrets.
fn of_address(text: &str, texts: &mut Vec<String>) {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@') {
        texts.push(user.to_owned());
        texts.extend(user.split(':').map(str::to_owned));
    }
    let query = text.split_once('?').map(|(_, rest)| rest.split('#').next().unwrap_or_default()).unwrap_or_default();
    texts.push(query.to_owned());
    // as it is sent, where that differs from how it was written
    texts.extend(ingestion_url::parse(text).and_then(|url| url.query().map(str::to_owned)));
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, pair));
        if is_secret(name) || value.len() >= LONG {
            texts.push(value.to_owned());
        }
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if is_secret(&name) || value.len() >= LONG {
            texts.push(value.into_owned());
        }
    }
}

/// Texts that must not be repeated.
#[derive(Clone, Default)]
pub struct Blot {
    /// In every form in which they may come back, the longest first.
    forms: Vec<String>,
}

impl Blot {
    fn new(texts: Vec<String>) -> Self {
        let mut forms = Vec::new();
        for text in texts.into_iter().filter(|text| text.len() >= SHORTEST) {
            let json = Value::from(text.as_str()).to_string();
            let json = json[1..json.len() - 1].to_owned();
            // as Python writes JSON
            let ascii: String = json.chars().map(as_ascii).collect();
            // as texts of services are kept
            let printable = text.chars().filter(|character| !character.is_control()).collect();
            forms.extend([utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string(), json, ascii, printable, text]);
        }
        forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
        Self { forms }
    }

    /// The text with stars in place of every one of them. It may have been cut: what it ends with is not left either.
    pub fn out_of(&self, text: String) -> String {
        let text = self.forms.iter().fold(text, |text, form| {
            if text.contains(form.as_str()) { text.replace(form.as_str(), STARS) } else { text }
        });
        match self.forms.iter().map(|form| begun_at_the_end(&text, form)).max() {
            Some(begun) if begun >= SHORTEST => format!("{}{STARS}", &text[..text.len() - begun]),
            _ => text,
        }
    }
}

/// How much of a form a text ends with. *Unit*: bytes.
fn begun_at_the_end(text: &str, form: &str) -> usize {
    let ends = form.char_indices().map(|(at, _)| at).rev();
    ends.filter(|end| *end <= text.len()).find(|end| text.ends_with(&form[..*end])).unwrap_or(0)
}

fn as_ascii(character: char) -> String {
    if character.is_ascii() {
        return character.to_string();
    }
    let mut units = [0; 2];
    character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blotted(request: Value, said: &str) -> String {
        Confidential::new(request).blot().out_of(said.to_owned())
    }

    #[test]
    fn secrets_are_blotted_out_in_every_form_and_the_rest_stays_readable() {
        let request = json!({
            "method": "GET", "separator": ";;;;", "labels": ["patient_id"], "token": "tok\"en-α",
            "url": "http://user:pa55@host.example/data.csv?year=2024&sig=s1g%2Fn&x=0123456789abcdef0",
            "headers": [{"key": "Authorization", "value": "Bearer abcd.efgh"}], "query_params": {"apikey": "k3y-value"},
        });
        for (said, expected) in [
            ("no column patient_id in GET", "no column patient_id in GET"),
            ("tok\"en-α", "***"),
            (r#"{"token": "tok\"en-α"}"#, r#"{"token": "***"}"#),
            (r#"{"token": "tok\"en-\u03b1"}"#, r#"{"token": "***"}"#),
            ("bad header Bearer abcd.efgh", "bad header ***"),
            ("bad token abcd.efgh!", "bad token ***!"),
            ("k3y%2Dvalue or k3y-value", "*** or ***"),
            (
                "GET http://user:pa55@host.example/data.csv?year=2024&sig=s1g%2Fn&x=0123456789abcdef0 failed",
                "GET http://***@host.example/data.csv?*** failed",
            ),
            ("sig s1g/n, password pa55, x 0123456789abcdef0", "sig ***, password ***, x ***"),
            ("no data for 2024", "no data for 2024"),
            ("cut in the middle of abcd.ef", "cut in the middle of ***"),
        ] {
            assert_eq!(blotted(request.clone(), said), expected);
        }
    }

    #[test]
    fn nothing_is_printed_of_it() {
        assert_eq!(format!("{:?}", Confidential::new(json!({"token": "canary"}))), STARS);
    }

    #[test]
    fn odd_requests_are_no_trouble() {
        for odd in [json!(null), json!([]), json!({"url": 5}), json!({"url": "?"}), json!({"url": "://@@?&=&#"})] {
            assert_eq!(blotted(odd, "a text"), "a text");
        }
        let many: Vec<String> = (0..10_000).map(|number| format!("text-{number}")).collect();
        assert!(Confidential::new(json!({"body": many})).blot().forms.len() <= 5 * (MOST + 1));
    }
}
