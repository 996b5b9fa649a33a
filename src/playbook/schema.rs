//! The JSON Schema of a playbook, made of the tables and limits that the checks use, so that editors and clients can know
//! most of what the door will say.
//!
//! Whatever the checks accept, the schema accepts. What a schema cannot say is in its `description`; `tests/it/schema.rs`
//! compares the two on random documents.

use serde_json::{Map, Value, json};

use super::arguments::{BAD_PARAMS, TITLES};
use super::names::{FIRST_INEXACT, RESERVED, S3_PREFIXES, S3_SUFFIXES};
use super::options::{LONGEST_SECONDS, MOST_ATTEMPTS, ON_FAILURE, WHEN};
use super::rules::{LONGEST_ID, LONGEST_TEXT};
use super::settings::CheckSettings;

/// Characters that no text may have: [`super::text::is_hidden`] as part of a character class.
const HIDDEN: &str =
    r"\p{Cc}\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}";

/// Below half a nanosecond a time is none at all.
const SHORTEST_SECONDS: f64 = 0.5e-9;

/// What the checks refuse and a schema cannot; the codes are those of the answers.
const BEYOND: &str = "A DIASTEMA playbook. Checked beyond this schema: members given twice (duplicate-key); nesting beyond 64 \
levels (too-deep), 32 in metadata (limit); whole numbers written with a fraction, as 1.0; numbers beyond 64 bits signed and NUL in \
member names, at any depth (number-range, bad-key); function, params and metadata larger than 1 MiB (limit); labels that take more \
than 900 bytes in lower case (length); and everything that needs two jobs to be seen: duplicate-step, dangling-edge, edge-mismatch, \
cycle, no-start, unreachable, bad-start, arity, too-many-edges, duplicate-job-id, more feature arguments than inputs \
(bad-function), when-needs-continue, and labels and ids that become arguments of a Spark job (spark-arg).";

/// The schema (draft 2020-12) of what the checks accept under these settings.
pub fn playbook_schema(settings: &CheckSettings) -> Value {
    let limits = &settings.limits;
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:diastema:playbook",
        "title": "DIASTEMA playbook",
        "description": BEYOND,
        "type": "object",
        "maxProperties": limits.fields,
        "required": ["analysis-id", "database-id", "jobs"],
        "properties": {
            "diastema-token": {"description": "the key of the server; in a header instead under /api/v1"},
            "analysis-id": {
                "description": "identity of the analysis, compared without case",
                "anyOf": [id(LONGEST_ID), {"type": "number"}],
            },
            "database-id": tenant(),
            "jobs": {"type": "array", "minItems": 1, "maxItems": limits.jobs, "items": {"$ref": "#/$defs/job"}},
            "metadata": {"description": "stored with the results as it is"},
            "options": options(),
        },
        "$defs": {
            "job": job(settings),
            "reference": {
                "description": "a step, or 0 for none",
                "anyOf": [id(LONGEST_TEXT), {"type": "integer"}],
            },
            "seconds": {"type": ["number", "null"], "exclusiveMinimum": SHORTEST_SECONDS, "maximum": LONGEST_SECONDS},
            "wait": {"type": ["number", "null"], "minimum": 0, "maximum": LONGEST_SECONDS},
        },
    })
}

fn job(settings: &CheckSettings) -> Value {
    let zero = json!({"enum": [0, "0"]});
    let titles: Vec<Value> = TITLES
        .iter()
        .map(|title| json!({"if": {"properties": {"title": {"const": title}}}, "then": arguments(title, settings)}))
        .collect();
    json!({
        "type": "object",
        "maxProperties": settings.limits.fields,
        "required": ["step", "id", "title", "from", "next"],
        "properties": {
            "step": {
                "description": "unique within the playbook, compared as text without case",
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": FIRST_INEXACT - 1},
                    {"allOf": [id(LONGEST_TEXT), {"not": {"const": "0"}}]},
                ],
            },
            "id": {
                "description": "what services know the job by",
                "anyOf": [{"type": "integer", "minimum": 0, "maximum": i64::MAX}, id(LONGEST_TEXT)],
            },
            "title": {"enum": TITLES},
            "from": {
                "description": "0 for a starting job, else the inputs in order",
                "anyOf": [
                    {"$ref": "#/$defs/reference"},
                    {"type": "array", "minItems": 1, "items": {"allOf": [{"$ref": "#/$defs/reference"}, {"not": zero}]}},
                ],
            },
            "next": {
                "description": "what follows; [0] for nothing",
                "anyOf": [
                    {"$ref": "#/$defs/reference"},
                    {"type": "array", "items": {"$ref": "#/$defs/reference"}},
                ],
            },
            "timeout-s": {"$ref": "#/$defs/seconds"},
            "retry": {
                "type": ["object", "null"],
                "properties": {
                    "attempts": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_ATTEMPTS},
                    "backoff-s": {"$ref": "#/$defs/wait"},
                    "max-backoff-s": {"$ref": "#/$defs/wait"},
                },
            },
            "when": one_of(&WHEN.map(|(name, _)| name)),
        },
        "allOf": titles,
    })
}

/// What a title needs beside the members of every job.
fn arguments(title: &str, settings: &CheckSettings) -> Value {
    let longest = settings.limits.string;
    let members = |required: &[&str], properties: Value| json!({"required": required, "properties": properties});
    let spark = if settings.spark_arguments_any { plain_text() } else { spark_argument() };
    let clustering = json!({"description": "for AutoML only", "maxLength": longest});
    match title {
        "dataset" => members(&["label"], json!({"label": {"anyOf": [dataset_label(), {"type": "number"}]}})),
        "cleaning" => {
            let any = json!({"type": ["number", "boolean", "string", "null"], "maxLength": longest});
            members(&[], json!({"max-shrink": any}))
        }
        "data-join" => {
            let column = json!({"anyOf": [plain_text(), {"type": "number"}]});
            members(&["column", "join-type"], json!({"column": column, "join-type": plain_text()}))
        }
        "function" => members(&["function"], json!({"function": {"type": "object"}})),
        "classification" | "regression" => members(&["column"], learning(spark, settings)),
        "clustering" => members(&[], learning(clustering, settings)),
        "visualization" => members(&["label"], json!({"label": chart_label()})),
        _ => json!({}),
    }
}

fn learning(column: Value, settings: &CheckSettings) -> Value {
    let longest = settings.limits.string;
    let named = BAD_PARAMS.map(|name| json!({"const": name}));
    let names =
        json!({"not": {"anyOf": [{"pattern": r"^\$|\.|\u0000"}, {"enum": named.map(|name| name["const"].clone())}]}});
    json!({
        "column": column,
        "algorithm": {
            "description": "an unknown one becomes the platform's default",
            "type": ["string", "number", "boolean", "null"], "maxLength": longest,
        },
        "automl": {"enum": [null, true, false, 0, 1]},
        "params": {"type": ["object", "null"], "maxProperties": settings.limits.fields, "propertyNames": names},
    })
}

fn options() -> Value {
    json!({
        "type": ["object", "null"],
        "properties": {
            "on-failure": one_of(&ON_FAILURE.map(|(name, _)| name)),
            "deadline-s": {"$ref": "#/$defs/seconds"},
            "max-parallel": {"type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX},
        },
    })
}

fn one_of(names: &[&str]) -> Value {
    let known: Vec<Value> = names.iter().map(|name| json!(name)).chain([Value::Null]).collect();
    json!({"enum": known})
}

/// Ids, steps and job ids: [`super::rules::id_text`].
fn id(longest: usize) -> Value {
    json!({"type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{longest}}}$"), "not": {"enum": [".", ".."]}})
}

fn tenant() -> Value {
    let any_case = |text: &str| -> String {
        let letter = |c: char| {
            if c.is_ascii_alphabetic() { format!("[{}{c}]", c.to_ascii_uppercase()) } else { c.to_string() }
        };
        text.chars().map(letter).collect()
    };
    let group = |names: &[&str]| names.iter().map(|name| any_case(name)).collect::<Vec<_>>().join("|");
    json!({
        "description": "the organisation; names its bucket and database in lower case",
        "type": "string",
        "pattern": "^[A-Za-z0-9][A-Za-z0-9-]{1,61}[A-Za-z0-9]$",
        "not": {"anyOf": [
            {"pattern": format!("^({})$", group(&RESERVED))},
            {"pattern": format!("^({})", group(&S3_PREFIXES))},
            {"pattern": format!("({})$", group(&S3_SUFFIXES))},
        ]},
    })
}

/// [`super::rules::plain_text`].
fn plain_text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": format!("^[^{HIDDEN}]*$")})
}

/// [`super::rules::free_text`], and what must not be found in it beside.
fn free_text(unwanted: &[&str]) -> Value {
    let mut text = plain_text();
    text["pattern"] = json!(format!(r"^[^{HIDDEN}\\<>]*$"));
    let ends = r"^\p{White_Space}|\p{White_Space}$";
    let not: Vec<Value> = unwanted.iter().chain([&ends]).map(|pattern| json!({"pattern": pattern})).collect();
    with(text, "not", json!({"anyOf": not}))
}

/// [`super::rules::dataset_label`] without its limit in bytes.
fn dataset_label() -> Value {
    free_text(&[r"(^|/)\.{0,2}(/|$)"])
}

/// [`super::rules::chart_label`].
fn chart_label() -> Value {
    free_text(&["/"])
}

/// [`super::rules::spark_argument`].
fn spark_argument() -> Value {
    let text = json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": r"^[\p{Alphabetic}\p{N}_./:,@%+=-]*$",
    });
    with(text, "not", json!({"anyOf": [{"pattern": "^-"}, {"pattern": r"(^|/)\.\.(/|$)"}]}))
}

fn with(mut schema: Value, member: &str, value: Value) -> Value {
    let object: Option<&mut Map<String, Value>> = schema.as_object_mut();
    object.expect("it was made as an object").insert(member.to_owned(), value);
    schema
}
