//! What the same graph costs without an engine: bare actors with the same messages, and a loop over an array.

use std::time::{Duration, Instant};

use actix::prelude::*;
use orchestrator::graph::JobGraph;
use tokio::sync::oneshot;

use super::{Measured, resident};

/// A predecessor has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Ready;

/// A job has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Ended(usize);

/// The least that an actor per job can be.
struct Bare {
    job: usize,
    missing: u32,
    successors: Box<[Addr<Bare>]>,
    graph: Addr<BareGraph>,
}

impl Bare {
    fn end(&mut self, ctx: &mut Context<Self>) {
        for successor in &self.successors {
            successor.do_send(Ready);
        }
        self.graph.do_send(Ended(self.job));
        ctx.stop();
    }
}

impl Actor for Bare {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.missing == 0 {
            self.end(ctx);
        }
    }
}

impl Handler<Ready> for Bare {
    type Result = ();

    fn handle(&mut self, _: Ready, ctx: &mut Self::Context) {
        self.missing -= 1;
        if self.missing == 0 {
            self.end(ctx);
        }
    }
}

/// Holds the actors until they have ended.
struct BareGraph {
    graph: JobGraph,
    nodes: Vec<Option<Addr<Bare>>>,
    open: usize,
    waiting: u64,
    end: Option<oneshot::Sender<u64>>,
}

impl Actor for BareGraph {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for &job in self.graph.topological().iter().rev() {
            let successors = self.graph.outgoing(job).filter_map(|(_, to)| self.nodes[to].clone()).collect();
            let missing = self.graph.incoming(job).count() as u32;
            self.nodes[job] = Some(Bare { job, missing, successors, graph: ctx.address() }.start());
        }
        self.waiting = resident();
    }
}

impl Handler<Ended> for BareGraph {
    type Result = ();

    fn handle(&mut self, message: Ended, ctx: &mut Self::Context) {
        self.nodes[message.0] = None;
        self.open -= 1;
        if self.open == 0 {
            self.end.take().unwrap().send(self.waiting).ok();
            ctx.stop();
        }
    }
}

/// One minimal actor per job.
pub(super) fn bare_actix(jobs: usize, edges: &[(usize, usize)]) -> Measured {
    let graph = JobGraph::new(jobs, edges.iter().copied()).unwrap();
    actix::System::new().block_on(async move {
        actix::clock::sleep(Duration::from_millis(5)).await;
        let (end, ended) = oneshot::channel();
        let (before, since) = (resident(), Instant::now());
        BareGraph { graph, nodes: vec![None; jobs], open: jobs, waiting: 0, end: Some(end) }.start();
        let waiting = ended.await.unwrap();
        Measured { time: since.elapsed(), bytes: waiting.saturating_sub(before) }
    })
}

/// Counts down what is missing, in an array.
pub(super) fn array(jobs: usize, edges: &[(usize, usize)]) -> Measured {
    let graph = JobGraph::new(jobs, edges.iter().copied()).unwrap();
    let since = Instant::now();
    let mut missing: Vec<u32> = (0..jobs).map(|job| graph.incoming(job).count() as u32).collect();
    let mut ready: Vec<usize> = (0..jobs).filter(|job| missing[*job] == 0).collect();
    let mut ended = 0;
    while let Some(job) = ready.pop() {
        ended += 1;
        for (_, to) in graph.outgoing(job) {
            missing[to] -= 1;
            if missing[to] == 0 {
                ready.push(to);
            }
        }
    }
    assert_eq!(ended, jobs);
    Measured { time: since.elapsed(), bytes: 0 }
}
