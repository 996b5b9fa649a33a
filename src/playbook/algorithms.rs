//! The closed table of Spark algorithms: display names as the client sends them, wire names as
//! the Spark jobs know them.
//!
//! *Source*: contract section 4.4, `orchestrator/{classification,regression,clustering}.py`. Deliberately different:
//! clustering uses its table (the original sends the raw text), and the text `false` means the default.

use super::MlTask;

/// What the client sends when nothing was selected.
const NOTHING_SELECTED: &str = "false";

/// Display name and wire name; the first line of a table is the default.
type Table = [(&'static str, &'static str)];

const CLASSIFICATION: &Table = &[
    ("decision tree classifier", "decisiontree"),
    ("random forest classifier", "randomForest"),
    ("logistic regression", "logisticregression"),
    ("gradient boosted tree classifier", "gbt"),
    ("multilayer perceptron", "mlp"),
    ("linear support vector machine", "linearsvc"),
    ("onevsrest", "onevsrest"),
    ("naive bayes", "naivebayes"),
    ("factorization machines", "fm"),
];

const REGRESSION: &Table = &[
    ("decision tree regression", "decisiontree"),
    ("linear regression", "linearregression"),
    ("random forest regression", "randomforest"),
    ("gradient boosted tree regression", "gbt"),
    ("survival", "survival"),
    ("isotonic", "isotonic"),
    ("factorization machines", "fm"),
];

const CLUSTERING: &Table = &[
    ("kmeans", "kmeans"),
    ("latent dirichlet allocation", "lda"),
    ("gaussian mixture model", "gmm"),
    ("power iteration clustering", "pic"),
];

/// What a playbook's algorithm means to Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapped {
    /// The name that Spark gets.
    pub name: &'static str,
    /// Whether the playbook's text was understood; otherwise `name` is the platform's default.
    pub known: bool,
}

/// The wire name of a playbook's algorithm; nothing selected means the default.
pub fn wire_name(task: MlTask, algorithm: Option<&str>) -> Mapped {
    let table = table(task);
    let default = table[0].1;
    match algorithm {
        None | Some(NOTHING_SELECTED) => Mapped { name: default, known: true },
        Some(text) => match table.iter().find(|(display, _)| *display == text) {
            Some((_, name)) => Mapped { name, known: true },
            None => Mapped { name: default, known: false },
        },
    }
}

/// The wire name of AutoML's answer: a display name or a wire name in any case.
pub fn from_automl(task: MlTask, answer: &str) -> Option<&'static str> {
    let answer = answer.trim().to_lowercase();
    table(task)
        .iter()
        .find(|(display, name)| *display == answer || name.to_lowercase() == answer)
        .map(|(_, name)| *name)
}

/// Whether the text is the client's way to say that nothing was selected.
pub(super) fn is_nothing(algorithm: &str) -> bool {
    algorithm == NOTHING_SELECTED
}

/// Every display name of a task, for hints.
pub(super) fn display_names(task: MlTask) -> impl Iterator<Item = &'static str> {
    table(task).iter().map(|(display, _)| *display)
}

fn table(task: MlTask) -> &'static Table {
    match task {
        MlTask::Classification => CLASSIFICATION,
        MlTask::Regression => REGRESSION,
        MlTask::Clustering => CLUSTERING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [MlTask; 3] = [MlTask::Classification, MlTask::Regression, MlTask::Clustering];

    #[test]
    fn every_display_name_has_its_wire_name() {
        for task in TASKS {
            for (display, name) in table(task) {
                assert_eq!(wire_name(task, Some(display)), Mapped { name, known: true });
                assert_eq!(from_automl(task, &display.to_uppercase()), Some(*name));
                assert_eq!(from_automl(task, &name.to_uppercase()), Some(*name));
            }
        }
        assert_eq!(wire_name(MlTask::Classification, Some("random forest classifier")).name, "randomForest");
        assert_eq!(wire_name(MlTask::Clustering, Some("latent dirichlet allocation")).name, "lda");
    }

    #[test]
    fn nothing_selected_is_the_default() {
        for (task, name) in TASKS.into_iter().zip(["decisiontree", "decisiontree", "kmeans"]) {
            assert_eq!(wire_name(task, None), Mapped { name, known: true });
            assert_eq!(wire_name(task, Some("false")), Mapped { name, known: true });
            assert_eq!(from_automl(task, "false"), None);
        }
    }

    #[test]
    fn anything_else_is_the_default_and_unknown() {
        for text in ["", "Logistic Regression", "k-means", "x; curl evil"] {
            for task in TASKS {
                assert!(!wire_name(task, Some(text)).known, "{text}");
                assert_eq!(wire_name(task, Some(text)).name, table(task)[0].1);
            }
        }
        assert_eq!(from_automl(MlTask::Regression, "$(id)"), None);
    }
}
