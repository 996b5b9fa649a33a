//! Clustering: k-means with three clusters and fixed seeds.

use super::learn::{self, LearnError, Learned};
use crate::{ops::chart, table::Table};

const CLUSTERS: usize = 3;

/// Ends a run that would go back and forth; the samples need about ten.
const ROUNDS: usize = 50;

/// Groups the rows by their measurements.
pub(super) fn cluster(table: &Table) -> Result<Learned, LearnError> {
    let sources = learn::sources(table, None)?;
    let points = learn::standardised(&table.matrix(&sources));
    let groups: Vec<String> = k_means(&points).iter().map(usize::to_string).collect();
    let size = |group: usize| groups.iter().filter(|own| **own == group.to_string()).count() as f64;
    let bars: Vec<(String, f64)> = (0..CLUSTERS).map(|group| (format!("cluster {group}"), size(group))).collect();
    let charts = vec![
        learn::scatter("clusters", "Clusters", table, &sources, &groups),
        chart::bars("sizes", "Rows of each cluster", &bars),
    ];
    Ok(Learned { table: learn::with_column(table, "prediction", groups), charts })
}

/// The cluster of each point.
fn k_means(points: &[Vec<f64>]) -> Vec<usize> {
    // Seeds are spread over the points in order of their sum: different ones for any data with differences, and always
    // the same.
    let mut order: Vec<&Vec<f64>> = points.iter().collect();
    order.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    let seed = |at: usize| order[(2 * at + 1) * order.len() / (2 * CLUSTERS)].clone();
    let mut centres: Vec<Vec<f64>> = (0..CLUSTERS).map(seed).collect();
    let mut groups = Vec::new();
    for _ in 0..ROUNDS {
        let next: Vec<usize> = points.iter().map(|point| learn::nearest(point, &centres)).collect();
        if next == groups {
            break;
        }
        groups = next;
        for (group, centre) in centres.iter_mut().enumerate() {
            let members: Vec<&Vec<f64>> =
                points.iter().zip(&groups).filter(|(_, own)| **own == group).map(|(point, _)| point).collect();
            if !members.is_empty() {
                *centre = learn::centre(&members);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_become_clusters() {
        let heaps: Vec<Vec<f64>> = [0.0, 0.1, 5.0, 5.1, 9.0, 9.1].iter().map(|x| vec![*x, *x]).collect();
        assert_eq!(k_means(&heaps), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn one_row_is_enough() {
        let learned = cluster(&Table::parse("x,name\n1,a\n").unwrap()).unwrap();
        assert_eq!(learned.table.to_csv().unwrap(), "x,name,prediction\n1,a,0\n");
    }
}
