//! Joining tables on a column.

use std::collections::{HashMap, HashSet};

use crate::table::{Table, TableError};

/// Which rows without a partner stay.
#[derive(Clone, Copy)]
struct Keeps {
    left: bool,
    right: bool,
}

impl Keeps {
    /// An unknown word is an inner join: the web application sends `join` when nothing was chosen.
    fn of_type(join_type: &str) -> Self {
        match join_type {
            "left" => Self { left: true, right: false },
            "right" => Self { left: false, right: true },
            "outer" => Self { left: true, right: true },
            _ => Self { left: false, right: false },
        }
    }
}

/// Joins all tables from left to right.
pub(crate) fn join_all(tables: &[Table], column: &str, join_type: &str) -> Result<Table, TableError> {
    let (first, others) = tables.split_first().ok_or(TableError::Empty)?;
    first.column(column)?;
    others.iter().try_fold(first.clone(), |joined, other| join(&joined, other, column, Keeps::of_type(join_type)))
}

fn join(left: &Table, right: &Table, column: &str, keeps: Keeps) -> Result<Table, TableError> {
    let (left_key, right_key) = (left.column(column)?, right.column(column)?);
    let without_key = |row: &[String]| {
        row.iter().enumerate().filter(|(at, _)| *at != right_key).map(|(_, cell)| cell.clone()).collect()
    };
    let mut columns = left.columns.clone();
    for name in without_key(&right.columns) as Vec<String> {
        // A name that both have would hide one of the two columns.
        let name = if left.columns.contains(&name) { format!("{name}_right") } else { name };
        columns.push(name);
    }
    let mut partners: HashMap<&str, Vec<&Vec<String>>> = HashMap::new();
    for row in &right.rows {
        partners.entry(row[right_key].as_str()).or_default().push(row);
    }
    let mut rows = Vec::new();
    for row in &left.rows {
        let matching = partners.get(row[left_key].as_str());
        for partner in matching.into_iter().flatten() {
            rows.push([row.clone(), without_key(partner)].concat());
        }
        if matching.is_none() && keeps.left {
            rows.push([row.clone(), vec![String::new(); right.columns.len() - 1]].concat());
        }
    }
    if keeps.right {
        let known: HashSet<&str> = left.cells(left_key).collect();
        for row in right.rows.iter().filter(|row| !known.contains(row[right_key].as_str())) {
            let mut lonely = vec![String::new(); left.columns.len()];
            lonely[left_key].clone_from(&row[right_key]);
            rows.push([lonely, without_key(row)].concat());
        }
    }
    Ok(Table { columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(join_type: &str, expected: &str) {
        let left = Table::parse("id,x\n1,a\n2,b\n").unwrap();
        let right = Table::parse("x,id\nc,2\nd,2\ne,3\n").unwrap();
        assert_eq!(join_all(&[left, right], "ID", join_type).unwrap().to_csv().unwrap(), expected);
    }

    #[test]
    fn join_types_keep_different_rows() {
        check("inner", "id,x,x_right\n2,b,c\n2,b,d\n");
        check("join", "id,x,x_right\n2,b,c\n2,b,d\n");
        check("left", "id,x,x_right\n1,a,\n2,b,c\n2,b,d\n");
        check("right", "id,x,x_right\n2,b,c\n2,b,d\n3,,e\n");
        check("outer", "id,x,x_right\n1,a,\n2,b,c\n2,b,d\n3,,e\n");
    }

    #[test]
    fn a_missing_column_is_an_error() {
        let table = Table::parse("a\n1\n").unwrap();
        assert_eq!(join_all(&[table.clone(), table], "id", "inner").unwrap_err().to_string(), "no column `id`");
    }

    #[test]
    fn three_tables_join_too() {
        let table = |text| Table::parse(text).unwrap();
        let joined =
            join_all(&[table("id,a\n1,2\n"), table("id,b\n1,3\n"), table("id,c\n1,4\n")], "id", "inner").unwrap();
        assert_eq!(joined.to_csv().unwrap(), "id,a,b,c\n1,2,3,4\n");
    }
}
