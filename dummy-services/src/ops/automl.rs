//! AutoML without a search: the algorithm that was asked for, or one that suits the task, with parameters that a search
//! might find.

use serde_json::{Map, Value, json};

/// Members of `parameters` that steer the search and are no parameters of the algorithm.
const STEERING: [&str; 3] = ["algorithm", "max-trials", "meta-learning"];

/// The member `results` of the answer: `algorithm`, then its parameters; those that were asked for stay as they are.
pub(crate) fn results(request: &Value) -> Value {
    let asked = request["parameters"].as_object().cloned().unwrap_or_default();
    let suitable = match request["ml-task"].as_str() {
        Some("regression") => "linearregression",
        Some("clustering") => "kmeans",
        _ => "randomForest",
    };
    let algorithm = asked.get("algorithm").and_then(Value::as_str).unwrap_or(suitable);
    let mut results = Map::from_iter([("algorithm".to_owned(), Value::from(algorithm))]);
    results.extend(found(algorithm));
    results.extend(asked.into_iter().filter(|(name, _)| !STEERING.contains(&name.as_str())));
    Value::Object(results)
}

fn found(algorithm: &str) -> Map<String, Value> {
    let parameters = match algorithm.to_lowercase().as_str() {
        "randomforest" => json!({"numTrees": 20, "maxDepth": 6}),
        "decisiontree" => json!({"maxDepth": 5, "maxBins": 32}),
        "gbt" => json!({"maxIter": 20, "maxDepth": 5}),
        "linearregression" | "logisticregression" => json!({"maxIter": 100, "regParam": 0.01}),
        "kmeans" | "gmm" | "lda" | "pic" => json!({"k": 3}),
        _ => json!({"maxIter": 100}),
    };
    match parameters {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_stays() {
        let request = json!({"ml-task": "classification", "parameters": {"algorithm": "decisiontree", "maxDepth": 9, "max-trials": "5"}});
        assert_eq!(results(&request), json!({"algorithm": "decisiontree", "maxDepth": 9, "maxBins": 32}));
    }

    #[test]
    fn each_task_has_its_algorithm() {
        let algorithm = |task: &str| results(&json!({"ml-task": task}))["algorithm"].clone();
        assert_eq!(
            ["classification", "regression", "clustering"].map(algorithm),
            ["randomForest", "linearregression", "kmeans"]
        );
    }
}
