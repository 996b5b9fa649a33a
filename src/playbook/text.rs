//! Texts as people and machines see them: the contract's text form, values shown in reasons, JSON
//! pointers, near misses.

use std::borrow::Cow;

use serde_json::Value;

/// Longest piece of a received value that a reason repeats, in characters.
const SHOWN_CHARACTERS: usize = 64;
/// Longest member name that a JSON pointer repeats, in characters.
const POINTER_CHARACTERS: usize = 256;
/// Longest text that is compared for near misses, in characters.
const COMPARED_CHARACTERS: usize = 64;

/// The contract's `text(x)` of a text or a number; `None` for every other type.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a value is, for reasons: "a list", "the number 5", "the text \"x\"". Cut to 64 characters and escaped.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A received text in quotes, cut to 64 characters and escaped: safe in a log line, an answer or a terminal.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARACTERS {
            out.push('…');
            break;
        }
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if is_hidden(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// The same without quotes: for members that are quoted by their format.
pub fn shortened(text: &str) -> String {
    let mut out = one_line(&text.chars().take(SHOWN_CHARACTERS).collect::<String>()).into_owned();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        out.push('…');
    }
    out
}

/// A text with its hidden characters escaped: one line, whatever is in it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// One step of a JSON pointer (RFC 6901), without its slash; a very long name is cut.
pub fn pointer_token(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(POINTER_CHARACTERS));
    for (count, character) in name.chars().enumerate() {
        if count == POINTER_CHARACTERS {
            out.push('…');
            break;
        }
        match character {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            _ => out.push(character),
        }
    }
    out
}

/// Whether a character has no picture of its own or changes how others are shown: control, bidi and
/// zero-width characters.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF
                | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F
        )
}

/// "did you mean ...?" for the closest of the known names, empty when none is close.
///
/// Close means at most two edits and at most half of the text: `99` is not close to `1`.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(COMPARED_CHARACTERS + 1).collect();
    if wanted.is_empty() || wanted.len() > COMPARED_CHARACTERS {
        return String::new();
    }
    let limit = (wanted.len() / 2).min(2);
    known
        .into_iter()
        .filter_map(|name| edits(&wanted, name, limit).map(|distance| (distance, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| format!("did you mean {}?", quoted(name)))
        .unwrap_or_default()
}

/// Edit distance (insert, delete, replace) when it is at most `limit`.
fn edits(wanted: &[char], name: &str, limit: usize) -> Option<usize> {
    // Lengths in bytes bound the number of characters from above: long names are dropped without being decoded.
    if name.len() > 4 * (wanted.len() + limit) {
        return None;
    }
    let name: Vec<char> = name.chars().collect();
    if name.len().abs_diff(wanted.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (i, left) in wanted.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in name.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_reasons_are_short_and_inert() {
        assert_eq!(shown(&json!({"a": 1})), "an object");
        assert_eq!(shown(&json!(5)), "the number 5");
        assert_eq!(shown(&json!("a\r\nb\u{202e}\"")), r#"the text "a\u{d}\u{a}b\u{202e}\"""#);
        let long = quoted(&"x".repeat(1000));
        assert_eq!(long.chars().count(), 64 + 3, "64 characters, two quotes and the mark of the cut");
    }

    #[test]
    fn hidden_characters_do_not_break_lines() {
        assert_eq!(one_line("plain, Ελληνικά \"and\" \\"), "plain, Ελληνικά \"and\" \\");
        assert_eq!(one_line("a\r\n[error]\t\u{2028}\u{1b}[2J"), r"a\u{d}\u{a}[error]\u{9}\u{2028}\u{1b}[2J");
        assert_eq!(shortened(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
        assert_eq!(shortened("a\nb"), r"a\u{a}b");
    }

    #[test]
    fn pointers_are_escaped_as_in_rfc_6901() {
        assert_eq!(pointer_token("a/b~c"), "a~1b~0c");
        assert_eq!(pointer_token(&"k".repeat(5000)).chars().count(), 257);
    }

    #[test]
    fn near_misses_are_named() {
        let titles = ["cleaning", "data-join", "data-sink"];
        assert_eq!(did_you_mean("Cleaning", titles), r#"did you mean "cleaning"?"#);
        assert_eq!(did_you_mean("clening", titles), r#"did you mean "cleaning"?"#);
        assert_eq!(did_you_mean("data_jin", titles), r#"did you mean "data-join"?"#);
        assert_eq!(did_you_mean("hack", titles), "");
        assert_eq!(did_you_mean("", titles), "");
        assert_eq!(did_you_mean("99", ["1", "2"]), "");
        assert_eq!(did_you_mean("11", ["1", "2"]), r#"did you mean "1"?"#);
        assert_eq!(did_you_mean(&"x".repeat(9000), ["x"]), "");
    }

    #[test]
    fn only_texts_and_numbers_have_a_text_form() {
        assert_eq!(text_of(&json!(1_700_000_000_000_u64)).as_deref(), Some("1700000000000"));
        assert_eq!(text_of(&json!("A")).as_deref(), Some("A"));
        assert_eq!(text_of(&json!(true)), None);
    }
}
