//! Large and odd graphs run to completion, each job once, with its inputs in declared order.

use std::collections::HashMap;

use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{Ran, ScriptedRunner, Shape, Sketch, TestEngine, graph_of};

async fn completes(sketch: Sketch) {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&sketch).await;
    assert_eq!(end.outcome, RunOutcome::Succeeded);
    let ran = jobs.ran();
    assert_eq!(ran.len(), sketch.len());
    let by_step: HashMap<&str, &Ran> = ran.iter().map(|ran| (ran.step.as_str(), ran)).collect();
    for (step, inputs) in sketch.expected_inputs() {
        assert_eq!(by_step[step].inputs, inputs, "step {step}");
    }
    engine.finish().await;
}

#[actix::test]
async fn a_chain_of_ten_thousand() {
    completes(Shape::Chain.sketch(10_000, 0)).await;
}

#[actix::test]
async fn a_join_of_eleven_hundred() {
    completes(Shape::FanIn.sketch(1_101, 0)).await;
}

#[actix::test]
async fn layers_of_two_hundred_each_fed_by_all_before() {
    completes(Shape::Bipartite { width: 200 }.sketch(600, 0)).await;
}

#[actix::test]
async fn a_forest_of_trees() {
    completes(Shape::Forest { trees: 300 }.sketch(5_000, 7)).await;
}

#[actix::test]
async fn a_ladder_and_a_diamond() {
    completes(Shape::Ladder.sketch(2_001, 0)).await;
    completes(Shape::Diamond.sketch(1_500, 0)).await;
}

#[actix::test]
async fn two_edges_between_the_same_jobs_are_two_inputs() {
    completes(graph_of("1,1 -> 2; 1,2,1 -> 3")).await;
}

#[actix::test]
async fn every_shape_from_many_seeds() {
    for shape in Shape::ALL {
        for seed in 0..20 {
            completes(shape.sketch(3 + seed as usize * 3, seed)).await;
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_graph() {
    assert_eq!(Shape::Random.edges(500, 9), Shape::Random.edges(500, 9));
    assert_ne!(Shape::Random.edges(500, 9), Shape::Random.edges(500, 10));
}
