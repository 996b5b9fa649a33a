//! Collects everything that is wrong or odd about one document, and puts it in document order at the end.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::text::pointer_token;
use super::{Problem, TenantId};

/// Most findings kept of each sort: a guard for the memory, far beyond what is ever shown.
const MOST: usize = 10_000;

/// Why a submission is refused: every problem at once.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What is wrong, in document order; never empty.
    pub problems: Vec<Problem>,
    /// What is odd, in document order.
    pub warnings: Vec<Problem>,
    /// The text of the analysis or ingestion id when it is usable: refusal notices name it.
    pub analysis_id: Option<String>,
    /// The tenant, when `database-id` is usable.
    pub tenant: Option<TenantId>,
}

/// Problems and warnings of one document, in the order they were found.
#[derive(Debug, Default)]
pub struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings {
    /// Notes something that refuses the document.
    pub fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MOST {
            self.problems.push(problem);
        }
    }

    /// Notes something odd.
    pub fn warning(&mut self, warning: Problem) {
        if self.warnings.len() < MOST {
            self.warnings.push(warning);
        }
    }

    /// Whether nothing refuses the document so far.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Problems and warnings, each in document order.
    pub(super) fn sorted(mut self, document: &Map<String, Value>) -> (Vec<Problem>, Vec<Problem>) {
        let mut places = Places::new(document);
        self.problems.sort_by_cached_key(|problem| places.of(&problem.at));
        self.warnings.sort_by_cached_key(|warning| places.of(&warning.at));
        (self.problems, self.warnings)
    }
}

/// Where a pointer stands: top-level member, position in the list, member of the job, position in its list.
type Place = [usize; 4];

/// Orders pointers as the document does. Absent members come last within their object, an object before its members.
struct Places<'a> {
    document: &'a Map<String, Value>,
    top: HashMap<String, usize>,
    jobs: HashMap<usize, HashMap<String, usize>>,
}

impl<'a> Places<'a> {
    fn new(document: &'a Map<String, Value>) -> Self {
        Self { document, top: ranks(document), jobs: HashMap::new() }
    }

    fn of(&mut self, pointer: &str) -> Place {
        let mut tokens = pointer.split('/').skip(1);
        let Some(top) = tokens.next() else { return [0; 4] };
        let mut place = [rank(&self.top, top), 0, 0, 0];
        let Some(second) = tokens.next() else { return place };
        let Ok(index) = second.parse::<usize>() else { return place };
        place[1] = index + 1;
        let Some(member) = tokens.next() else { return place };
        let document = self.document;
        let members = self.jobs.entry(index).or_insert_with(|| {
            let job = document.get("jobs").and_then(|jobs| jobs.get(index)).and_then(Value::as_object);
            job.map(ranks).unwrap_or_default()
        });
        place[2] = rank(members, member);
        place[3] = tokens.next().and_then(|token| token.parse().ok()).map_or(0, |position: usize| position + 1);
        place
    }
}

fn ranks(object: &Map<String, Value>) -> HashMap<String, usize> {
    object.keys().enumerate().map(|(rank, key)| (pointer_token(key), rank)).collect()
}

fn rank(ranks: &HashMap<String, usize>, token: &str) -> usize {
    ranks.get(token).map_or(usize::MAX, |rank| rank + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_come_in_document_order() {
        let document = json!({"jobs": [{"b": 1, "a/x": [0, 1]}, {}], "database-id": 5});
        let expected = [
            "",
            "/jobs",
            "/jobs/0",
            "/jobs/0/b",
            "/jobs/0/a~1x/0",
            "/jobs/0/a~1x/1",
            "/jobs/0/absent",
            "/jobs/1",
            "/database-id",
            "/gone",
        ];
        let mut findings = Findings::default();
        for at in expected.iter().rev() {
            findings.problem(Problem::new("x", *at, ""));
        }
        let (problems, warnings) = findings.sorted(document.as_object().unwrap());
        assert_eq!(problems.iter().map(|problem| problem.at.as_str()).collect::<Vec<_>>(), expected);
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_hopeless_document_does_not_fill_the_memory() {
        let mut findings = Findings::default();
        for _ in 0..MOST + 5 {
            findings.problem(Problem::new("x", "/jobs/0", ""));
        }
        assert_eq!(findings.sorted(&Map::new()).0.len(), MOST);
    }
}
