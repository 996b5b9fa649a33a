//! The three tasks of the Spark component: which one a message asks for, what each leaves behind.

use super::{
    chart::{self, Chart},
    classify, cluster, regress,
};
use crate::table::{Table, TableError};

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Classification,
    Regression,
    Clustering,
}

impl Task {
    /// The task of a job script, by its name; the component gets no other hint.
    pub(crate) fn of_script(path: &str) -> Self {
        let script = path.to_lowercase();
        if script.contains("regression") {
            Task::Regression
        } else if script.contains("clustering") {
            Task::Clustering
        } else {
            Task::Classification
        }
    }
}

/// Why nothing can be learned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LearnError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("column `{0}` has no numbers to predict")]
    NotNumbers(String),
    #[error("no columns of numbers to learn from")]
    NoMeasurements,
}

/// What a task leaves behind.
pub(crate) struct Learned {
    /// The input with a column of predictions.
    pub(crate) table: Table,
    /// Its pictures.
    pub(crate) charts: Vec<Chart>,
}

/// Learns from a table. *Shape*: `column` is what to predict; a clustering has none.
pub(crate) fn learn(task: Task, table: &Table, column: &str) -> Result<Learned, LearnError> {
    if table.rows.is_empty() {
        return Err(TableError::Empty.into());
    }
    match task {
        Task::Classification => classify::classify(table, column),
        Task::Regression => regress::regress(table, column),
        Task::Clustering => cluster::cluster(table),
    }
}

/// The columns to learn from: all measurements but the one to predict.
pub(super) fn sources(table: &Table, target: Option<usize>) -> Result<Vec<usize>, LearnError> {
    let mut sources = table.measurements();
    sources.retain(|column| Some(*column) != target);
    if sources.is_empty() { Err(LearnError::NoMeasurements) } else { Ok(sources) }
}

/// Scales every column of a matrix to mean 0 and deviation 1, so that no unit of measurement outweighs another.
pub(super) fn standardised(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = matrix.first().map_or(0, Vec::len);
    let mut scaled = matrix.to_vec();
    for column in 0..width {
        let values: Vec<f64> = matrix.iter().map(|row| row[column]).collect();
        let mean = crate::table::mean(&values);
        let squares: Vec<f64> = values.iter().map(|value| (value - mean).powi(2)).collect();
        let deviation = crate::table::mean(&squares).sqrt();
        for row in &mut scaled {
            row[column] = if deviation > 0.0 { (row[column] - mean) / deviation } else { 0.0 };
        }
    }
    scaled
}

/// The position of the nearest centre; of equally near ones the first.
pub(super) fn nearest(point: &[f64], centres: &[Vec<f64>]) -> usize {
    let distance = |centre: &Vec<f64>| point.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let measured = centres.iter().map(distance).enumerate();
    measured.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(position, _)| position)
}

/// The mean of points.
pub(super) fn centre(points: &[&Vec<f64>]) -> Vec<f64> {
    let width = points.first().map_or(0, |point| point.len());
    (0..width).map(|at| crate::table::mean(&points.iter().map(|point| point[at]).collect::<Vec<_>>())).collect()
}

/// The table with one more column.
pub(super) fn with_column(table: &Table, name: &str, cells: Vec<String>) -> Table {
    let mut wider = table.clone();
    wider.columns.push(name.to_owned());
    for (row, cell) in wider.rows.iter_mut().zip(cells) {
        row.push(cell);
    }
    wider
}

/// A picture of the first two columns of a matrix, coloured by group.
pub(super) fn scatter(name: &str, title: &str, table: &Table, columns: &[usize], groups: &[String]) -> Chart {
    let pair = [columns[0], *columns.get(1).unwrap_or(&columns[0])];
    let points = table.matrix(&pair).into_iter().map(|row| (row[0], row[1])).collect::<Vec<_>>();
    chart::scatter(name, title, [&table.columns[pair[0]], &table.columns[pair[1]]], &points, groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_the_task() {
        assert_eq!(Task::of_script("local:///app/src/RegressionJob.py"), Task::Regression);
        assert_eq!(Task::of_script("local:///app/src/ClusteringJob.py"), Task::Clustering);
        assert_eq!(Task::of_script("local:///app/src/ClassificationJob.py"), Task::Classification);
    }

    #[test]
    fn nothing_to_learn_is_an_error() {
        let texts = Table::parse("a,b\nx,y\n").unwrap();
        let reason = |task, column| learn(task, &texts, column).map(|_| ()).unwrap_err().to_string();
        assert_eq!(reason(Task::Clustering, ""), "no columns of numbers to learn from");
        assert_eq!(reason(Task::Regression, "a"), "column `a` has no numbers to predict");
        assert_eq!(reason(Task::Classification, "c"), "no column `c`");
    }
}
