//! Cleaning: rows with missing cells go, up to the share that may be lost; what stays is filled up.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::table::{Table, cell_of, is_missing, mean, number};

/// The share of rows that may be dropped, of the member `max-shrink`; only a number is a limit.
pub(crate) fn share(max_shrink: &Value) -> Option<f64> {
    max_shrink.as_f64().filter(|share| (0.0..=1.0).contains(share))
}

/// Drops incomplete rows. With a limit the rows with the most gaps go first, and the gaps of those that may not go are
/// filled: with the mean in a column of numbers, else with the most frequent text.
pub(crate) fn clean(table: &Table, max_shrink: Option<f64>) -> Table {
    let gaps: Vec<usize> = table.rows.iter().map(|row| row.iter().filter(|cell| is_missing(cell)).count()).collect();
    let mut incomplete: Vec<usize> = (0..gaps.len()).filter(|row| gaps[*row] > 0).collect();
    if let Some(share) = max_shrink {
        incomplete.sort_by_key(|row| (std::cmp::Reverse(gaps[*row]), *row));
        incomplete.truncate((share * table.rows.len() as f64).floor() as usize);
    }
    let stays = |row: &usize| !incomplete.contains(row);
    let rows = (0..table.rows.len()).filter(stays).map(|row| table.rows[row].clone()).collect();
    let mut cleaned = Table { columns: table.columns.clone(), rows };
    fill(&mut cleaned);
    cleaned
}

fn fill(table: &mut Table) {
    for column in 0..table.columns.len() {
        if table.cells(column).any(is_missing) {
            let substitute = substitute(table, column);
            for cell in table.rows.iter_mut().filter_map(|row| row.get_mut(column)).filter(|cell| is_missing(cell)) {
                cell.clone_from(&substitute);
            }
        }
    }
}

fn substitute(table: &Table, column: usize) -> String {
    let present: Vec<&str> = table.cells(column).filter(|cell| !is_missing(cell)).collect();
    let numbers: Vec<f64> = present.iter().filter_map(|cell| number(cell)).collect();
    if !numbers.is_empty() && numbers.len() == present.len() {
        return cell_of(mean(&numbers));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for cell in present {
        *counts.entry(cell).or_default() += 1;
    }
    // Of equally frequent texts the first in the alphabet, so that the result is always the same.
    let frequent = counts.into_iter().max_by_key(|(cell, count)| (*count, std::cmp::Reverse(*cell)));
    frequent.map(|(cell, _)| cell.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAPS: &str = "a,b\n1,x\n,y\n3,\n,\n5,x\n";

    fn cleaned(max_shrink: Option<f64>) -> String {
        clean(&Table::parse(GAPS).unwrap(), max_shrink).to_csv().unwrap()
    }

    #[test]
    fn incomplete_rows_go() {
        assert_eq!(cleaned(None), "a,b\n1,x\n5,x\n");
    }

    #[test]
    fn no_more_rows_go_than_allowed_and_the_worst_go_first() {
        assert_eq!(cleaned(Some(0.2)), "a,b\n1,x\n3,y\n3,x\n5,x\n");
        assert_eq!(cleaned(Some(1.0)), cleaned(None));
    }

    #[test]
    fn only_a_number_is_a_limit() {
        assert_eq!(share(&Value::from(0.3)), Some(0.3));
        assert_eq!(share(&Value::from("0.3")), None);
        assert_eq!(share(&Value::from(true)), None);
        assert_eq!(share(&Value::Null), None);
    }
}
