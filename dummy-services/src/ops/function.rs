//! The function service's small language: one aggregate over columns, or the inputs below each other.

use serde_json::Value;

use crate::table::{Table, cell_of, is_missing, mean};

/// What is computed of each column.
#[derive(Clone, Copy)]
enum Aggregate {
    Mean,
    Sum,
    Min,
    Max,
    Count,
}

impl Aggregate {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mean" | "avg" | "average" => Aggregate::Mean,
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "count" => Aggregate::Count,
            _ => return None,
        })
    }

    fn of(self, table: &Table, column: usize) -> String {
        let numbers = table.numbers(column);
        match self {
            Aggregate::Count => table.cells(column).filter(|cell| !is_missing(cell)).count().to_string(),
            _ if numbers.is_empty() => String::new(),
            Aggregate::Mean => cell_of(mean(&numbers)),
            Aggregate::Sum => cell_of(numbers.iter().sum()),
            Aggregate::Min => cell_of(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
            Aggregate::Max => cell_of(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        }
    }
}

/// Applies a function to the inputs, taken as one table. *Shape*: `{"expression": "mean(age, income)"}` or `{"name":
/// "mean", "args": [{"feature": "age"}]}`; without columns all measurements (`count`: all columns). Anything else,
/// `concat` too, is the inputs below each other.
pub(crate) fn apply(function: &Value, inputs: &[Table]) -> Table {
    let all = Table::stacked(inputs);
    let (name, features) = parse(function);
    let Some(aggregate) = Aggregate::named(&name) else { return all };
    let named: Vec<usize> = features.iter().filter_map(|feature| all.column(feature).ok()).collect();
    let columns = match (named.is_empty(), aggregate) {
        (false, _) => named,
        (true, Aggregate::Count) => (0..all.columns.len()).collect(),
        (true, _) => all.measurements(),
    };
    let heads = columns.iter().map(|column| format!("{name}_{}", all.columns[*column])).collect();
    let row = columns.iter().map(|column| aggregate.of(&all, *column)).collect();
    Table { columns: heads, rows: vec![row] }
}

/// The name of the function and the columns it wants.
fn parse(function: &Value) -> (String, Vec<String>) {
    let text = |member: &str| function[member].as_str().map(str::to_lowercase);
    if let Some((name, rest)) = text("expression").as_deref().and_then(|expression| expression.split_once('(')) {
        let features = rest.trim_end().trim_end_matches(')').split(',').map(|feature| feature.trim().to_owned());
        return (name.trim().to_owned(), features.collect());
    }
    let arguments = function["args"].as_array().map(Vec::as_slice).unwrap_or_default();
    let feature = |argument: &Value| argument.as_str().or_else(|| argument["feature"].as_str()).map(str::to_owned);
    let name = text("expression").or_else(|| text("name")).unwrap_or_default();
    (name.trim().to_owned(), arguments.iter().filter_map(feature).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(function: Value, expected: &str) {
        let inputs = ["id,age,city\n1,10,a\n2,,b\n", "id,age,city\n3,30,c\n"].map(|text| Table::parse(text).unwrap());
        assert_eq!(apply(&function, &inputs).to_csv().unwrap(), expected);
    }

    #[test]
    fn aggregates_cover_all_inputs() {
        check(json!({"name": "Mean", "args": [{"feature": "age"}, {"value": 3}]}), "mean_age\n20\n");
        check(json!({"expression": "sum(id, age)"}), "sum_id,sum_age\n6,40\n");
        check(json!({"name": "count"}), "count_id,count_age,count_city\n3,2,3\n");
        check(json!({"name": "max", "args": []}), "max_age\n30\n");
    }

    #[test]
    fn an_unknown_function_concatenates() {
        check(json!({"name": "mapMerge", "args": ["x"]}), "id,age,city\n1,10,a\n2,,b\n3,30,c\n");
        check(json!({}), "id,age,city\n1,10,a\n2,,b\n3,30,c\n");
    }
}
