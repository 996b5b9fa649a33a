//! Reads members of an object as clients send them and notes what is wrong with each, so that one look
//! finds everything.
//!
//! Nothing here knows what a job is; what the members mean is in `arguments`, `links` and `options`.

use serde_json::{Map, Value};

use super::Problem;
use super::blob::compact_length;
use super::findings::Findings;
use super::rules::Fault;
use super::settings::CheckSettings;
use super::text::{nearest, pointer_token, quoted, shown, text_of};

/// Every member with a meaning somewhere in a playbook; others are ignored.
const MEMBERS: [&str; 34] = [
    "diastema-token",
    "analysis-id",
    "analysis-name",
    "analysis-datetime",
    "database-id",
    "jobs",
    "metadata",
    "options",
    "automodel",
    "nodes",
    "connections",
    "step",
    "id",
    "title",
    "from",
    "next",
    "save",
    "label",
    "max-shrink",
    "column",
    "join-type",
    "function",
    "algorithm",
    "automl",
    "params",
    "timeout-s",
    "retry",
    "when",
    "on-failure",
    "deadline-s",
    "max-parallel",
    "attempts",
    "backoff-s",
    "max-backoff-s",
];

/// Near misses are looked for in objects up to this size: hostile ones shall cost nothing.
const MOST_COMPARED: usize = 200;

/// Members without a meaning.
fn strangers(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let few = if object.len() <= MOST_COMPARED { object.len() } else { 0 };
    object.keys().take(few).map(String::as_str).filter(|name| !MEMBERS.contains(name))
}

/// One object of the document together with its place and the list of findings.
pub(super) struct Reader<'d, 'f> {
    /// The object that is read.
    pub(super) object: &'d Map<String, Value>,
    /// JSON pointer of the object.
    pub(super) at: String,
    /// Limits and switches.
    pub(super) settings: &'d CheckSettings,
    /// Where findings go.
    pub(super) findings: &'f mut Findings,
}

impl<'d> Reader<'d, '_> {
    pub(super) fn get(&self, member: &str) -> Option<&'d Value> {
        self.object.get(member)
    }

    /// A member that may be left out; `null` counts as left out.
    pub(super) fn optional(&self, member: &str) -> Option<&'d Value> {
        self.get(member).filter(|value| !value.is_null())
    }

    pub(super) fn pointer(&self, member: &str) -> String {
        format!("{}/{}", self.at, pointer_token(member))
    }

    pub(super) fn problem(&mut self, code: &'static str, member: &str, reason: String) {
        self.problem_with_hint(code, member, reason, "");
    }

    pub(super) fn problem_with_hint(&mut self, code: &'static str, member: &str, reason: String, hint: &str) {
        let problem = Problem::new(code, self.pointer(member), reason).hint(hint);
        self.findings.problem(problem);
    }

    pub(super) fn warning(&mut self, code: &'static str, member: &str, reason: String, hint: &str) {
        let warning = Problem::new(code, self.pointer(member), reason).hint(hint);
        self.findings.warning(warning);
    }

    /// Notes a fault at a member.
    pub(super) fn fault(&mut self, member: &str, fault: Fault) {
        let problem = fault.at(self.pointer(member), member);
        self.findings.problem(problem);
    }

    /// Unwraps a result, noting its fault.
    pub(super) fn noted<T>(&mut self, member: &str, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault(member, fault)).ok()
    }

    pub(super) fn missing(&mut self, member: &str, hint: &str) {
        self.absent("missing", member, hint);
    }

    /// Notes that a member is not there; one that looks like it takes the place of the hint.
    pub(super) fn absent(&mut self, code: &'static str, member: &str, hint: &str) {
        let misspelt = self.misspelt(member);
        let hint = misspelt.as_deref().unwrap_or(hint);
        self.problem_with_hint(code, member, format!("`{member}` is missing"), hint);
    }

    /// A hint at an unknown member of the object that may have been meant.
    fn misspelt(&self, member: &str) -> Option<String> {
        let near = nearest(member, strangers(self.object), 2)?;
        Some(format!("there is a member {}: did you mean `{member}`?", quoted(near)))
    }

    /// Warns of unknown members that look like absent ones which may be left out: nobody would notice that they mean nothing.
    pub(super) fn warn_of_misspelt(&mut self, optional: &[&'static str]) {
        let absent: Vec<&str> = optional.iter().copied().filter(|member| self.get(member).is_none()).collect();
        let object = self.object;
        for (stranger, meant) in strangers(object).filter_map(|name| Some((name, nearest(name, absent.clone(), 3)?))) {
            let reason = format!("the member {} means nothing here", quoted(stranger));
            self.warning("unknown-member", stranger, reason, &format!("did you mean `{meant}`?"));
        }
    }

    pub(super) fn wrong_type(&mut self, member: &str, wanted: &str, value: &Value) {
        self.problem("type", member, format!("`{member}` must be {wanted}, not {}", shown(value)));
    }

    /// A text that must be there and satisfy a rule.
    pub(super) fn text(&mut self, member: &str, rule: impl FnOnce(&str) -> Result<(), Fault>) -> Option<String> {
        match self.get(member) {
            None => self.missing(member, ""),
            Some(Value::String(text)) => {
                let verdict = if self.is_over_long(text) { Err(over_long(text)) } else { rule(text) };
                return self.noted(member, verdict).map(|()| text.clone());
            }
            Some(other) => self.wrong_type(member, "a text", other),
        }
        None
    }

    /// The same where a number counts by its text, as in the platform.
    pub(super) fn text_or_number(
        &mut self,
        member: &str,
        rule: impl FnOnce(&str) -> Result<(), Fault>,
    ) -> Option<String> {
        match self.get(member) {
            Some(Value::Number(number)) => {
                let text = number.to_string();
                self.noted(member, rule(&text)).map(|()| text)
            }
            _ => self.text(member, rule),
        }
    }

    /// A text or number that may be anything up to the common limit; empty when it is neither.
    pub(super) fn any_text(&mut self, member: &str) -> Option<String> {
        let text = self.get(member).and_then(text_of).unwrap_or_default();
        let verdict = if self.is_over_long(&text) { Err(over_long(&text)) } else { Ok(()) };
        self.noted(member, verdict).map(|()| text)
    }

    /// Whether a text is longer than the common limit.
    pub(super) fn is_over_long(&self, text: &str) -> bool {
        let limit = self.settings.limits.string;
        text.len() > limit && text.chars().count() > limit
    }

    /// Whether a free-form member is small enough to be kept and sent.
    pub(super) fn fits(&mut self, member: &str, value: &Value) -> bool {
        let limit = self.settings.limits.blob;
        let fits = compact_length(value) <= limit;
        if !fits {
            self.problem("limit", member, format!("`{member}` takes more than {limit} bytes"));
        }
        fits
    }

    /// Whether the object has a bearable number of members.
    pub(super) fn has_few_fields(&mut self) -> bool {
        let limit = self.settings.limits.fields;
        let few = self.object.len() <= limit;
        if !few {
            let reason = format!("this object has {} members, allowed are {limit}", self.object.len());
            self.findings.problem(Problem::new("too-many-fields", self.at.clone(), reason));
        }
        few
    }
}

fn over_long(text: &str) -> Fault {
    Fault::new("too-long", format!("has {} characters", text.chars().count()))
}

/// What one entry of `from` or `next` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// `0`: nothing.
    Nothing,
    /// The lower-cased text of a step. ASCII only: U+212A must not meet `k`.
    Step(String),
}

impl Reference {
    /// Reads one entry; `None` when it cannot name a step.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) if number.as_u64() == Some(0) => Some(Reference::Nothing),
            Value::Number(number) if !number.is_f64() => Some(Reference::Step(number.to_string())),
            Value::String(text) if text == "0" => Some(Reference::Nothing),
            Value::String(text) if !text.is_empty() => Some(Reference::Step(text.to_ascii_lowercase())),
            _ => None,
        }
    }
    /// The step that is named.
    pub(super) fn step(self) -> Option<String> {
        match self {
            Reference::Nothing => None,
            Reference::Step(key) => Some(key),
        }
    }
}
