//! Ingestion: downloads what `ingestion_json` describes and reads it as a table. Plain http only.

use serde_json::Value;

use crate::table::{Table, TableError};

/// The most that is downloaded.
const DOWNLOAD_LIMIT: usize = 64 << 20;

/// Why a data set cannot be ingested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("missing `url`")]
    NoUrl,
    #[error("cannot get `{url}`: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("`{url}` answered {status}")]
    Status { url: String, status: u16 },
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Downloads and reads a data set.
pub(crate) async fn fetch(client: &awc::Client, ingestion: &Value) -> Result<Table, FetchError> {
    let url = ingestion["url"].as_str().ok_or(FetchError::NoUrl)?.trim();
    let unreachable = |reason: String| FetchError::Unreachable { url: url.to_owned(), reason };
    let method = ingestion["method"].as_str().unwrap_or("GET").to_uppercase();
    let method = method.parse::<awc::http::Method>().map_err(|why| unreachable(why.to_string()))?;
    let mut request = client.request(method, url);
    for (name, value) in ingestion["headers"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_str() {
            request = request.insert_header((name.as_str(), value));
        }
    }
    let body = match &ingestion["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut response = request.send_body(body).await.map_err(|why| unreachable(why.to_string()))?;
    if !response.status().is_success() {
        return Err(FetchError::Status { url: url.to_owned(), status: response.status().as_u16() });
    }
    let content = response.body().limit(DOWNLOAD_LIMIT).await.map_err(|why| unreachable(why.to_string()))?;
    read(&String::from_utf8_lossy(&content), ingestion)
}

/// Reads a text as `ingestion_json` describes it.
fn read(text: &str, ingestion: &Value) -> Result<Table, FetchError> {
    let separator = separator(ingestion["separator"].as_str().unwrap_or(","));
    // The web application sends a boolean; a text is what people write by hand.
    let first_line_labels =
        !matches!(&ingestion["first-line-labels"], Value::Bool(false)) && ingestion["first-line-labels"] != "false";
    let labels =
        if first_line_labels { None } else { Some(labels(ingestion).unwrap_or_else(|| numbered(text, separator))) };
    Ok(Table::parse_with(text.trim_start_matches('\u{feff}'), separator, labels)?)
}

/// The member `labels`: a list, or a text with commas.
pub(crate) fn labels(ingestion: &Value) -> Option<Vec<String>> {
    let labels: Vec<String> = match &ingestion["labels"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        Value::String(text) if !text.trim().is_empty() => {
            text.split(',').map(|label| label.trim().to_lowercase()).collect()
        }
        _ => Vec::new(),
    };
    if labels.is_empty() { None } else { Some(labels) }
}

fn separator(text: &str) -> u8 {
    match text {
        "\\t" => b'\t',
        "\\s" | "\\s+" => b' ',
        other => other.bytes().next().unwrap_or(b','),
    }
}

fn numbered(text: &str, separator: u8) -> Vec<String> {
    let columns = text.lines().next().unwrap_or_default().bytes().filter(|byte| *byte == separator).count() + 1;
    (1..=columns).map(|number| format!("column{number}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, ingestion: Value, expected: &str) {
        assert_eq!(read(text, &ingestion).unwrap().to_csv().unwrap(), expected);
    }

    #[test]
    fn the_description_says_how_to_read() {
        check("\u{feff}A,B\n1,2\n", json!({}), "a,b\n1,2\n");
        check("1;2\n", json!({"separator": ";", "first-line-labels": false, "labels": ["X", "Y"]}), "x,y\n1,2\n");
        check("1\t2\n", json!({"separator": "\\t", "first-line-labels": false}), "column1,column2\n1,2\n");
        check("1,2\n", json!({"first-line-labels": "false", "labels": "X, y"}), "x,y\n1,2\n");
    }
}
