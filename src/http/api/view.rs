//! `GET /api/v1/analyses/{id}/view`: the jobs of a run as they stand, and where to draw them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::list::summary;
use super::lookup::{Content, Known, look_off_the_workers, read_run};
use super::projection::{counts, nodes};
use crate::graph::layout::{Point, layout};
use crate::http::{ApiError, Caller, Door};
use crate::playbook::Space;

/// Draws a run, the newest of the id unless `?run=` names another.
pub(super) async fn view(
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    look_off_the_workers(&request, move |number| draw(&door, &caller, **space, &id, number)).await
}

fn draw(door: &Door, caller: &Caller, space: Space, id: &str, number: Option<u32>) -> Result<Value, ApiError> {
    let Known { run, content } = read_run(door, caller, space, id, number)?;
    let Content { plan, progress, .. } = content?;
    let layout = layout(&plan.graph);
    let mut nodes = nodes(&plan, &progress);
    for (node, at) in nodes.iter_mut().zip(&layout.nodes) {
        node["x"] = json!(at.x);
        node["y"] = json!(at.y);
    }
    let points = |points: &[Point]| -> Vec<[f64; 2]> { points.iter().map(|point| [point.x, point.y]).collect() };
    let edges = layout.edges.iter();
    let edges: Vec<Value> =
        edges.map(|edge| json!({"from": edge.from, "to": edge.to, "points": points(&edge.points)})).collect();
    let mut view = summary(space, &run);
    view["event"] = json!(progress.upto);
    view["width"] = json!(layout.width);
    view["height"] = json!(layout.height);
    view["counts"] = json!(counts(&progress));
    view["nodes"] = json!(nodes);
    view["edges"] = json!(edges);
    Ok(view)
}
