//! Regression: least squares on the measurements.

use super::learn::{self, LearnError, Learned};
use crate::{
    ops::chart,
    table::{Table, cell_of, mean},
};

/// More columns than this add noise, not sense, to a sample of a hundred rows.
const SOURCES: usize = 8;

/// Keeps columns that depend on each other from making the equations unsolvable.
const RIDGE: f64 = 1e-6;

/// Predicts a column of numbers.
pub(super) fn regress(table: &Table, column: &str) -> Result<Learned, LearnError> {
    let target = table.column(column)?;
    if table.numbers(target).is_empty() {
        return Err(LearnError::NotNumbers(column.to_owned()));
    }
    let mut sources = learn::sources(table, Some(target))?;
    sources.truncate(SOURCES);
    let points = learn::standardised(&table.matrix(&sources));
    let actual: Vec<f64> = table.matrix(&[target]).into_iter().map(|row| row[0]).collect();
    let level = mean(&actual);
    let weights = least_squares(&points, &actual.iter().map(|value| value - level).collect::<Vec<_>>());
    let predict = |point: &Vec<f64>| level + point.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>();
    let predicted: Vec<f64> = points.iter().map(predict).collect();
    let squares: Vec<f64> =
        predicted.iter().zip(&actual).map(|(predicted, actual)| (predicted - actual).powi(2)).collect();
    let error = cell_of(mean(&squares).sqrt());
    let pairs: Vec<(f64, f64)> = actual.iter().copied().zip(predicted.iter().copied()).collect();
    let title = format!("Predicted {column}, root mean square error {error}");
    let influence = |(column, weight): (&usize, &f64)| (table.columns[*column].clone(), weight.abs());
    let bars: Vec<(String, f64)> = sources.iter().zip(&weights).map(influence).collect();
    let charts = vec![
        chart::scatter("predictions", &title, ["actual", "predicted"], &pairs, &vec![column.to_owned(); pairs.len()]),
        chart::bars("influence", &format!("Influence on {column}"), &bars),
    ];
    Ok(Learned { table: learn::with_column(table, "prediction", predicted.into_iter().map(cell_of).collect()), charts })
}

/// The weights that solve the normal equations.
fn least_squares(points: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let width = points.first().map_or(0, Vec::len);
    let mut equations = vec![vec![0.0; width + 1]; width];
    for (point, value) in points.iter().zip(values) {
        for (row, equation) in equations.iter_mut().enumerate() {
            for column in 0..width {
                equation[column] += point[row] * point[column];
            }
            equation[width] += point[row] * value;
        }
    }
    for (row, equation) in equations.iter_mut().enumerate() {
        equation[row] += RIDGE;
    }
    solve(equations)
}

/// Gauss-Jordan elimination of a system whose last column is the right side. The diagonal is never 0: the matrix is
/// positive.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    let width = equations.len();
    for pivot in 0..width {
        let pivot_row: Vec<f64> = equations[pivot].iter().map(|value| value / equations[pivot][pivot]).collect();
        for (row, equation) in equations.iter_mut().enumerate() {
            let factor = equation[pivot];
            if row == pivot {
                equation.clone_from(&pivot_row);
            } else {
                for (value, pivot_value) in equation.iter_mut().zip(&pivot_row) {
                    *value -= factor * pivot_value;
                }
            }
        }
    }
    equations.iter().map(|equation| equation[width]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_found() {
        let table = Table::parse("x,z,y\n1,5,12\n2,5,14\n3,5,16\n4,5,18\n").unwrap();
        let learned = regress(&table, "y").unwrap();
        let predicted: Vec<&str> = learned.table.cells(3).collect();
        assert_eq!(predicted, ["12", "14", "16", "18"]);
    }

    #[test]
    fn dependent_columns_do_no_harm() {
        let table = Table::parse("a,b,y\n1,2,1\n2,4,2\n3,6,3\n").unwrap();
        let learned = regress(&table, "y").unwrap();
        assert_eq!(learned.table.cells(3).collect::<Vec<_>>(), ["1", "2", "3"]);
    }
}
