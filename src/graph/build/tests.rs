//! Every kind of broken graph, accepted oddities, the order of edges, large documents.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::playbook::fixtures::{Found, around, book, found};

/// Functions given as `(step, from, next)`.
fn functions(jobs: &[(&str, Value, Value)]) -> Map<String, Value> {
    let job = |(step, from, next): &(&str, Value, Value)| json!({"step": step, "id": step, "title": "function", "function": {}, "from": from, "next": next});
    book(jobs.iter().map(job).collect())
}

fn judge(document: &Map<String, Value>) -> Result<Plan, Vec<Found>> {
    build(document, &CheckSettings::default()).map_err(|refusal| found(&refusal.problems))
}

#[track_caller]
fn refused(document: &Map<String, Value>, expected: &[(&'static str, &str)]) {
    let expected: Vec<Found> = expected.iter().map(|(code, at)| (*code, (*at).to_owned())).collect();
    assert_eq!(judge(document).map(|_| ()), Err(expected), "{}", Value::Object(document.clone()));
}

/// Edges of an accepted document in their order, and its warnings about edges.
#[track_caller]
fn accepted(document: &Map<String, Value>) -> (Vec<Edge>, Vec<Found>) {
    let plan = judge(document).expect("this document is accepted");
    let ids = (0..plan.graph.len())
        .flat_map(|job| plan.graph.outgoing(job).map(move |(id, to)| (id, (job, to))).collect::<Vec<_>>());
    let mut edges: Vec<_> = ids.collect();
    edges.sort_unstable();
    let warnings = found(&plan.warnings).into_iter().filter(|(code, _)| *code == "one-sided-edge").collect();
    (edges.into_iter().map(|(_, edge)| edge).collect(), warnings)
}

#[test]
fn edges_follow_next_and_then_from() {
    let document = functions(&[
        ("1", json!(0), json!([3, 2, 3])),
        ("2", json!([1, 1]), json!([4])),
        ("3", json!([1, 1]), json!([4])),
        ("4", json!([3, 2, 1]), json!([0])),
    ]);
    let (edges, warnings) = accepted(&document);
    assert_eq!(edges, [(0, 2), (0, 2), (0, 1), (0, 1), (0, 3), (1, 3), (2, 3)]);
    assert_eq!(
        warnings,
        [("one-sided-edge", "/jobs/1/from".to_owned()), ("one-sided-edge", "/jobs/3/from".to_owned())]
    );
    let plan = judge(&document).unwrap();
    assert_eq!(plan.playbook.jobs[3].inputs, [2, 1, 0], "inputs keep the order of `from`");
}

#[test]
fn an_edge_named_by_next_alone_orders_but_gives_no_input() {
    let document =
        functions(&[("1", json!(0), json!([2, 3])), ("2", json!(1), json!([3])), ("3", json!(2), json!([]))]);
    let (edges, warnings) = accepted(&document);
    assert_eq!(edges, [(0, 1), (0, 2), (1, 2)]);
    assert_eq!(warnings, [("one-sided-edge", "/jobs/0/next".to_owned())]);
    assert_eq!(judge(&document).unwrap().playbook.jobs[2].inputs, [1]);
}

#[test]
fn parallel_edges_are_counted() {
    let join = |next: Value| functions(&[("1", json!(0), next), ("2", json!([1, 1]), json!([0]))]);
    assert_eq!(accepted(&join(json!([2, 2]))), (vec![(0, 1), (0, 1)], vec![]));
    assert_eq!(
        accepted(&join(json!([2]))),
        (vec![(0, 1), (0, 1)], vec![("one-sided-edge", "/jobs/1/from".to_owned())])
    );
    assert_eq!(accepted(&join(json!([2, 2, 2]))).0.len(), 3);
}

#[test]
fn cycles_are_named() {
    refused(&functions(&[("1", json!(0), json!([2])), ("2", json!([1, 2]), json!([2]))]), &[("cycle", "/jobs/1/from")]);
    refused(&functions(&[("1", json!(0), json!([1]))]), &[("cycle", "/jobs/0/next")]);
    let two =
        functions(&[("1", json!(0), json!([2])), ("2", json!([1, 3]), json!([3])), ("3", json!([2]), json!([2]))]);
    refused(&two, &[("cycle", "/jobs/1")]);
    let problems = build(&two, &CheckSettings::default()).unwrap_err().problems;
    assert_eq!(problems[0].reason, r#"these steps wait for each other: step "2" -> "3", then "2" again"#);
    let back_to_start = functions(&[("1", json!(0), json!([2])), ("2", json!(1), json!([1]))]);
    refused(&back_to_start, &[("cycle", "/jobs/0"), ("edge-mismatch", "/jobs/1/next/0")]);
}

#[test]
fn a_long_cycle_is_named_in_part() {
    let last = 10_000;
    let job = |n: usize| {
        let (from, next) = (if n == 1 { last } else { n - 1 }, if n == last { 1 } else { n + 1 });
        let from = if n == 1 { json!([0, from]) } else { json!(from) };
        json!({"step": n, "id": n, "title": "function", "function": {}, "from": from, "next": [next]})
    };
    let refusal = build(&book((1..=last).map(job).collect()), &CheckSettings::default()).unwrap_err();
    let cycle = refusal.problems.iter().find(|problem| problem.code == "cycle").expect("there is a cycle");
    assert!(cycle.reason.contains(r#""10" and 9990 more, then "1" again"#), "{}", cycle.reason);
}

#[test]
fn something_must_start() {
    refused(
        &functions(&[("1", json!(2), json!([2])), ("2", json!(1), json!([1]))]),
        &[("no-start", "/jobs"), ("cycle", "/jobs/0")],
    );
    let unconnected = functions(&[("1", json!([]), json!([2])), ("2", json!(1), json!([0]))]);
    refused(&unconnected, &[("no-start", "/jobs"), ("bad-from", "/jobs/0/from")]);
    // What was meant as a start is not known: one fault, one problem.
    refused(
        &functions(&[("1", json!(null), json!([2])), ("2", json!(1), json!([0]))]),
        &[("bad-from", "/jobs/0/from")],
    );
}

#[test]
fn every_part_must_be_reached() {
    let island = functions(&[("1", json!(0), json!([0])), ("2", json!([]), json!([3])), ("3", json!(2), json!([0]))]);
    refused(&island, &[("unreachable", "/jobs/1"), ("bad-from", "/jobs/1/from")]);
    let alone = functions(&[("1", json!(0), json!([0])), ("2", json!(""), json!([0]))]);
    refused(&alone, &[("bad-from", "/jobs/1/from")]);
    let ring = functions(&[("1", json!(0), json!([0])), ("2", json!(3), json!([3])), ("3", json!(2), json!([2]))]);
    refused(&ring, &[("cycle", "/jobs/1"), ("unreachable", "/jobs/1")]);
    let behind_a_typing_error =
        functions(&[("1", json!(0), json!([0])), ("2", json!(99), json!([3])), ("3", json!(2), json!([0]))]);
    refused(&behind_a_typing_error, &[("dangling-edge", "/jobs/1/from")]);
}

#[test]
fn members_and_graph_are_judged_together() {
    let mut document =
        functions(&[("1", json!(0), json!([2])), ("2", json!([1, 3]), json!([3, 77])), ("3", json!(2), json!([2]))]);
    document["jobs"][0]["title"] = json!("functoin");
    document["database-id"] = json!("UIDB");
    let expected = [
        ("reserved", "/database-id"),
        ("unknown-title", "/jobs/0/title"),
        ("cycle", "/jobs/1"),
        ("dangling-edge", "/jobs/1/next/1"),
    ];
    refused(&document, &expected);
}

#[test]
fn unusual_ends_are_warnings() {
    let ends = |document: &Map<String, Value>| {
        found(&build(document, &CheckSettings::default()).expect("this document is accepted").warnings)
    };
    assert_eq!(ends(&around(json!({"title": "cleaning", "max-shrink": 0.1}))), []);
    let two =
        functions(&[("1", json!(0), json!([2, 3])), ("2", json!([1]), json!([0])), ("3", json!([1]), json!([0]))]);
    assert_eq!(ends(&two), [("unusual-end", "/jobs/1".to_owned()), ("unusual-end", "/jobs/2".to_owned())]);
}

#[test]
fn edges_have_a_limit() {
    let document = functions(&[("1", json!(0), json!([2, 2, 2])), ("2", json!([1, 1, 1]), json!([0]))]);
    let mut settings = CheckSettings::default();
    settings.limits.edges = 3;
    assert!(build(&document, &settings).is_ok());
    settings.limits.edges = 2;
    assert_eq!(found(&build(&document, &settings).unwrap_err().problems), [("too-many-edges", "/jobs".to_owned())]);
    // Three edges of which no side names more than two.
    let mixed =
        functions(&[("1", json!(0), json!([2, 3])), ("2", json!([1]), json!([0])), ("3", json!([2]), json!([0]))]);
    assert_eq!(found(&build(&mixed, &settings).unwrap_err().problems), [("too-many-edges", "/jobs".to_owned())]);
}

#[test]
fn an_ingestion_is_a_graph_of_one() {
    let document = json!({"ingestion-id": "i", "database-id": "metis", "user": "u", "dataset-label": "l",
        "ingestion_json": {"url": "http://example.org"}});
    let plan = build_ingestion(document.as_object().unwrap(), &CheckSettings::default()).unwrap();
    assert_eq!((plan.graph.len(), plan.graph.edge_count(), plan.playbook.jobs.len()), (1, 0, 1));
}

/// Layers of functions, every one fed by the whole layer before.
fn layers(depth: usize, width: usize) -> Map<String, Value> {
    let steps = |layer: usize| (layer * width + 1..=(layer + 1) * width).collect::<Vec<_>>();
    let job = |n: usize| {
        let layer = (n - 1) / width;
        let from = if layer == 0 { json!(0) } else { json!(steps(layer - 1)) };
        let next = if layer + 1 == depth { json!([0]) } else { json!(steps(layer + 1)) };
        json!({"step": n, "id": n, "title": "function", "function": {}, "from": from, "next": next})
    };
    book((1..=depth * width).map(job).collect())
}

/// A quadratic search would take minutes here.
#[test]
fn large_graphs_take_linear_time() {
    let chain = layers(10_000, 1);
    assert_eq!(judge(&chain).unwrap().graph.edge_count(), 9_999);
    let dense = layers(51, 100);
    assert_eq!(judge(&dense).unwrap().graph.edge_count(), 500_000);
    assert_eq!(judge(&layers(52, 100)).unwrap_err(), [("too-many-edges", "/jobs".to_owned())]);
}

fn steps() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..7, 0..4)
}

proptest! {
    /// Any references among a few jobs: a plan is acyclic, has every edge of both sides, and every job can start.
    #[test]
    fn an_accepted_graph_can_run(links in prop::collection::vec((steps(), steps()), 1..6)) {
        let job = |(n, (from, next)): (usize, &(Vec<usize>, Vec<usize>))| {
            let from = if n == 0 { json!(0) } else { json!(from) };
            json!({"step": n + 1, "id": n + 1, "title": "function", "function": {}, "from": from, "next": next})
        };
        match judge(&book(links.iter().enumerate().map(job).collect())) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok(plan) => {
                prop_assert_eq!(plan.graph.topological().len(), links.len());
                for (index, job) in plan.playbook.jobs.iter().enumerate() {
                    prop_assert!(plan.graph.incoming(index).count() >= job.inputs.len());
                    prop_assert!(plan.graph.outgoing(index).count() >= job.next.len());
                    prop_assert!(job.inputs.is_empty() == (plan.graph.incoming(index).count() == 0));
                }
            }
        }
    }
}
