//! Drawings of small graphs by hand, and what holds for any.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::*;

fn graph(jobs: usize, edges: &[(usize, usize)]) -> JobGraph {
    JobGraph::new(jobs, edges.iter().copied()).expect("an acyclic graph")
}

fn random(rng: &mut Rng) -> JobGraph {
    let jobs = rng.usize(1..40);
    let edges: Vec<_> = (0..rng.usize(0..3 * jobs))
        .filter_map(|_| {
            let (one, other) = (rng.usize(0..jobs), rng.usize(0..jobs));
            (one != other).then_some((one.min(other), one.max(other)))
        })
        .collect();
    graph(jobs, &edges)
}

/// Centres as `x,y`, by column and row: short enough to be read.
fn shown(layout: &Layout) -> Vec<String> {
    layout.nodes.iter().map(|node| format!("{},{}", node.x, node.y)).collect()
}

#[test]
fn a_chain_is_a_straight_line() {
    let drawn = layout(&graph(3, &[(0, 1), (1, 2)]));
    assert_eq!(shown(&drawn), ["104,46", "336,46", "568,46"]);
    assert_eq!((drawn.width, drawn.height, drawn.crossings), (672.0, 92.0, 0));
    assert_eq!(drawn.edges[0].points, [Point { x: 184.0, y: 46.0 }, Point { x: 256.0, y: 46.0 }]);
}

#[test]
fn a_join_stands_in_the_middle_of_what_it_joins() {
    let drawn = layout(&graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]));
    assert_eq!(shown(&drawn), ["104,76", "336,46", "336,106", "568,76"]);
}

#[test]
fn an_edge_goes_around_the_cards_on_its_way() {
    let drawn = layout(&graph(3, &[(0, 1), (1, 2), (0, 2)]));
    let long = drawn.edges.iter().find(|edge| (edge.from, edge.to) == (0, 2)).expect("it is drawn");
    assert_eq!(long.points.len(), 4, "{long:?}");
    assert!((long.points[1].y - drawn.nodes[1].y).abs() >= NODE_HEIGHT / 2.0, "{drawn:?}");
}

#[test]
fn what_crosses_without_need_is_put_right() {
    // 0 -> 4, 1 -> 3, 2 -> 5: three edges that need not cross
    let drawn = layout(&graph(6, &[(0, 4), (1, 3), (2, 5)]));
    assert_eq!(drawn.crossings, 0);
    // two edges each to the wrong side, and back again
    let drawn = layout(&graph(8, &[(0, 3), (1, 2), (2, 5), (3, 4), (4, 7), (5, 6)]));
    assert_eq!(drawn.crossings, 0);
}

#[test]
fn nothing_and_one_job_can_be_drawn() {
    assert_eq!(layout(&graph(0, &[])).nodes, []);
    assert_eq!(shown(&layout(&graph(1, &[]))), ["104,46"]);
}

/// Cards do not touch, edges go from the right side of one card to the left side of another, always to the right, every edge is
/// drawn once, and a second time everything is where it was.
#[test]
fn any_graph_is_drawn_properly() {
    let mut rng = Rng::with_seed(7);
    for _ in 0..500 {
        let graph = random(&mut rng);
        let drawn = layout(&graph);
        assert_eq!(drawn, layout(&graph));
        assert_eq!((drawn.nodes.len(), drawn.edges.len()), (graph.len(), graph.edge_count()));
        for (at, one) in drawn.nodes.iter().enumerate() {
            assert!(one.x >= NODE_WIDTH / 2.0 && one.x + NODE_WIDTH / 2.0 <= drawn.width, "{drawn:?}");
            assert!(one.y >= NODE_HEIGHT / 2.0 && one.y + NODE_HEIGHT / 2.0 <= drawn.height, "{drawn:?}");
            for other in &drawn.nodes[at + 1..] {
                let apart = (one.x - other.x).abs() >= NODE_WIDTH || (one.y - other.y).abs() >= NODE_HEIGHT;
                assert!(apart, "{one:?} and {other:?} touch: {drawn:?}");
            }
        }
        for edge in &drawn.edges {
            let (from, to) = (drawn.nodes[edge.from], drawn.nodes[edge.to]);
            assert_eq!(edge.points.first(), Some(&Point { x: from.x + NODE_WIDTH / 2.0, y: from.y }));
            assert_eq!(edge.points.last(), Some(&Point { x: to.x - NODE_WIDTH / 2.0, y: to.y }));
            assert!(edge.points.windows(2).all(|pair| pair[0].x < pair[1].x), "{edge:?}");
        }
        let mut expected: Vec<_> =
            (0..graph.len()).flat_map(|from| graph.outgoing(from).map(move |(id, to)| (id, from, to))).collect();
        expected.sort_unstable();
        let expected: Vec<_> = expected.into_iter().map(|(_, from, to)| (from, to)).collect();
        assert_eq!(drawn.edges.iter().map(|edge| (edge.from, edge.to)).collect::<Vec<_>>(), expected);
    }
}

/// The tree of sums counts what comparing every two edges counts.
#[test]
fn crossings_are_counted_right() {
    let mut rng = Rng::with_seed(11);
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let (grid, _) = grid(&random(&mut rng));
        let position = |place: usize| grid.columns[grid.column[place]].iter().position(|known| *known == place);
        let mut slow = 0;
        for column in &grid.columns {
            let joins: Vec<_> = column
                .iter()
                .flat_map(|from| grid.right[*from].iter().map(|(to, _)| (position(*from), position(*to))))
                .collect();
            for (at, one) in joins.iter().enumerate() {
                slow += joins[at + 1..].iter().filter(|other| one.0 != other.0 && one.1 > other.1).count() as u64;
            }
        }
        assert_eq!(crossings::of(&grid), slow);
        seen.insert(slow);
    }
    assert!(seen.len() > 50, "the graphs are all alike: {seen:?}");
}

/// The order that is found has at most half of the crossings of the order in which the jobs are given.
#[test]
fn most_crossings_are_avoided() {
    let mut rng = Rng::with_seed(13);
    let (mut before, mut after) = (0, 0);
    for _ in 0..100 {
        let (mut grid, _) = grid(&random(&mut rng));
        before += crossings::of(&grid);
        ordering::improve(&mut grid);
        after += crossings::of(&grid);
    }
    assert!(2 * after < before, "{before} before, {after} after");
}
