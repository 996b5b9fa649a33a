//! A data set in memory: named columns of texts, as CSV has them. Parsing, printing and the few questions every
//! operation asks.

use serde_json::{Map, Number, Value};

/// Texts that stand for a missing cell, in lower case.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "none"];

/// A data set; every row has a cell for every column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Why a text is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("not readable as CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("no column `{0}`")]
    NoColumn(String),
    #[error("no data")]
    Empty,
}

impl Table {
    /// Reads CSV with a first line of names.
    pub(crate) fn parse(text: &str) -> Result<Self, TableError> {
        Self::parse_with(text, b',', None)
    }

    /// Reads CSV. *Shape*: with `labels` every line is data, else the first line has the names. Names are lower-cased;
    /// short lines are filled up with missing cells, long ones cut.
    pub(crate) fn parse_with(text: &str, separator: u8, labels: Option<Vec<String>>) -> Result<Self, TableError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let names = match labels {
            Some(labels) => labels,
            None => records.next().ok_or(TableError::Empty)??.iter().map(str::to_owned).collect(),
        };
        let columns: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        let mut rows = Vec::new();
        for record in records {
            let mut row: Vec<String> = record?.iter().map(|cell| cell.trim().to_owned()).collect();
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
        Ok(Self { columns, rows })
    }

    /// Prints CSV with a first line of names.
    pub(crate) fn to_csv(&self) -> Result<String, TableError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        let bytes = writer.into_inner().map_err(|why| csv::Error::from(std::io::Error::from(why.error().kind())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The position of a column; upper and lower case are the same.
    pub(crate) fn column(&self, name: &str) -> Result<usize, TableError> {
        let wanted = name.trim().to_lowercase();
        self.columns.iter().position(|column| *column == wanted).ok_or_else(|| TableError::NoColumn(name.to_owned()))
    }

    /// The cells of a column, from the top.
    pub(crate) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column).map(String::as_str))
    }

    /// The positions of the columns whose cells are numbers, missing ones aside. Columns of ids are no measurements and
    /// left out.
    pub(crate) fn measurements(&self) -> Vec<usize> {
        let is_id = |name: &str| name == "id" || name.ends_with("_id");
        let is_number = |column: usize| {
            let mut present = self.cells(column).filter(|cell| !is_missing(cell)).peekable();
            present.peek().is_some() && present.all(|cell| number(cell).is_some())
        };
        (0..self.columns.len()).filter(|column| !is_id(&self.columns[*column]) && is_number(*column)).collect()
    }

    /// The numbers of some columns, row by row; a missing cell is the mean of its column.
    pub(crate) fn matrix(&self, columns: &[usize]) -> Vec<Vec<f64>> {
        let means: Vec<f64> = columns.iter().map(|column| mean(&self.numbers(*column))).collect();
        let cell =
            |row: &Vec<String>, at: usize| row.get(columns[at]).and_then(|cell| number(cell)).unwrap_or(means[at]);
        self.rows.iter().map(|row| (0..columns.len()).map(|at| cell(row, at)).collect()).collect()
    }

    /// The numbers of a column without its missing cells.
    pub(crate) fn numbers(&self, column: usize) -> Vec<f64> {
        self.cells(column).filter_map(number).collect()
    }

    /// Puts tables below each other. *Shape*: the columns of all, in order of appearance; cells that a table lacks are
    /// missing.
    pub(crate) fn stacked(tables: &[Table]) -> Self {
        let mut all = Table::default();
        for column in tables.iter().flat_map(|table| &table.columns) {
            if !all.columns.contains(column) {
                all.columns.push(column.clone());
            }
        }
        for table in tables {
            let positions: Vec<Option<usize>> =
                all.columns.iter().map(|name| table.columns.iter().position(|own| own == name)).collect();
            let cell =
                |row: &Vec<String>, at: &Option<usize>| at.and_then(|at| row.get(at)).cloned().unwrap_or_default();
            all.rows.extend(table.rows.iter().map(|row| positions.iter().map(|at| cell(row, at)).collect()));
        }
        all
    }

    /// The first rows as JSON objects, numbers as numbers and missing cells as null.
    pub(crate) fn first_rows(&self, count: usize) -> Vec<Value> {
        let value = |cell: &str| match (is_missing(cell), cell.parse::<i64>(), number(cell)) {
            (true, _, _) => Value::Null,
            (false, Ok(integer), _) => Value::from(integer),
            (false, Err(_), Some(decimal)) => Number::from_f64(decimal).map_or(Value::Null, Value::Number),
            (false, Err(_), None) => Value::from(cell),
        };
        let object = |row: &Vec<String>| {
            self.columns.iter().cloned().zip(row.iter().map(|cell| value(cell))).collect::<Map<_, _>>()
        };
        self.rows.iter().take(count).map(|row| Value::Object(object(row))).collect()
    }
}

/// Whether a cell has no value.
pub(crate) fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell.trim().to_lowercase().as_str())
}

/// A cell's number, if it is a finite one.
pub(crate) fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The mean, 0 of nothing.
pub(crate) fn mean(numbers: &[f64]) -> f64 {
    if numbers.is_empty() { 0.0 } else { numbers.iter().sum::<f64>() / numbers.len() as f64 }
}

/// A number as a cell: at most four decimals, without zeros at the end.
pub(crate) fn cell_of(number: f64) -> String {
    let text = format!("{number:.4}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_short_lines_filled() {
        let table = Table::parse("ID,Name\n1,\"a, b\"\n2\n").unwrap();
        assert_eq!(table.columns, ["id", "name"]);
        assert_eq!(table.to_csv().unwrap(), "id,name\n1,\"a, b\"\n2,\n");
        assert!(matches!(Table::parse(""), Err(TableError::Empty)));
    }

    #[test]
    fn labels_replace_the_first_line() {
        let table = Table::parse_with("1;2\n3;4\n", b';', Some(vec!["A".to_owned(), "B".to_owned()])).unwrap();
        assert_eq!((table.columns.join(" "), table.rows.len()), ("a b".to_owned(), 2));
    }

    #[test]
    fn ids_are_no_measurements_and_gaps_are_means() {
        let table = Table::parse("patient_id,age,city\n1,10,a\n2,NA,b\n3,20,c\n").unwrap();
        assert_eq!(table.measurements(), [1]);
        assert_eq!(table.matrix(&[1]), [[10.0], [15.0], [20.0]]);
    }

    #[test]
    fn stacking_keeps_all_columns() {
        let stacked = Table::stacked(&[Table::parse("a,b\n1,2\n").unwrap(), Table::parse("b,c\n3,4\n").unwrap()]);
        assert_eq!(stacked.to_csv().unwrap(), "a,b,c\n1,2,\n,3,4\n");
    }

    #[test]
    fn rows_become_objects() {
        let rows = Table::parse("a,b,c\n1,2.5,\nx,y,z\n").unwrap().first_rows(1);
        assert_eq!(Value::from(rows), serde_json::json!([{"a": 1, "b": 2.5, "c": null}]));
    }

    #[test]
    fn cells_are_short() {
        assert_eq!([cell_of(1.0), cell_of(0.25), cell_of(-0.00001), cell_of(1.0 / 3.0)], ["1", "0.25", "0", "0.3333"]);
    }
}
