//! Classification: every row goes to the class whose mean is nearest.

use super::learn::{self, LearnError, Learned};
use crate::{
    ops::chart,
    table::{Table, cell_of},
};

/// Predicts a column of classes. Whatever the algorithm's name, this is a nearest-centroid classifier: the stand-in
/// shows that data flows, not how well Spark learns.
pub(super) fn classify(table: &Table, column: &str) -> Result<Learned, LearnError> {
    let target = table.column(column)?;
    let sources = learn::sources(table, Some(target))?;
    let points = learn::standardised(&table.matrix(&sources));
    let actual: Vec<&str> = table.cells(target).collect();
    let mut classes = actual.clone();
    classes.sort_unstable();
    classes.dedup();
    let centre_of = |class: &&str| {
        let members: Vec<&Vec<f64>> =
            points.iter().zip(&actual).filter(|(_, actual)| *actual == class).map(|(point, _)| point).collect();
        learn::centre(&members)
    };
    let centres: Vec<Vec<f64>> = classes.iter().map(centre_of).collect();
    let predicted: Vec<String> =
        points.iter().map(|point| classes[learn::nearest(point, &centres)].to_owned()).collect();
    let right = predicted.iter().zip(&actual).filter(|(predicted, actual)| predicted == *actual).count();
    let accuracy = cell_of(right as f64 / actual.len() as f64);
    let count = |class: &str| predicted.iter().filter(|predicted| *predicted == class).count() as f64;
    let bars: Vec<(String, f64)> = classes.iter().map(|class| ((*class).to_owned(), count(class))).collect();
    let charts = vec![
        chart::bars("predictions", &format!("Predicted {column}, accuracy {accuracy}"), &bars),
        learn::scatter("classes", &format!("Classes of {column}"), table, &sources, &predicted),
    ];
    let wider = learn::with_column(table, "prediction", predicted);
    let table = learn::with_column(&wider, "accuracy", vec![accuracy; wider.rows.len()]);
    Ok(Learned { table, charts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_to_the_nearest_class() {
        let table = Table::parse("x,y,class\n1,1,low\n2,1,low\n8,9,high\n9,9,high\n9,8,low\n").unwrap();
        let learned = classify(&table, "Class").unwrap();
        let predicted: Vec<&str> = learned.table.cells(3).collect();
        assert_eq!(predicted, ["low", "low", "high", "high", "high"]);
        assert_eq!(learned.table.cells(4).next(), Some("0.8"));
        assert_eq!(learned.charts.len(), 2);
    }
}
