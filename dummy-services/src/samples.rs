//! The sample data sets, compiled in, so that the demo needs no files and no network.

/// File name and text of each sample.
const SAMPLES: [(&str, &str); 3] = [
    ("patients.csv", include_str!("../../fixtures/datasets/patients.csv")),
    ("visits.csv", include_str!("../../fixtures/datasets/visits.csv")),
    ("people.csv", include_str!("../../fixtures/datasets/people.csv")),
];

/// The sample data sets. *Shape*: file name, CSV text.
pub fn sample_datasets() -> &'static [(&'static str, &'static str)] {
    &SAMPLES
}

/// The text of a sample.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops::clean, table::Table};

    #[test]
    fn samples_are_tables_with_gaps_and_a_shared_column() {
        let table = |name| Table::parse(find(name).unwrap()).unwrap();
        for (name, _) in sample_datasets() {
            let rows = table(name).rows.len();
            let kept = clean::clean(&table(name), None).rows.len();
            assert!(kept < rows && kept > rows / 2, "{name} keeps {kept} of {rows} rows");
        }
        assert!(table("patients.csv").column("patient_id").is_ok());
        assert!(table("visits.csv").column("patient_id").is_ok());
    }
}
