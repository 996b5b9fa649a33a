//! A small tenant beside one that floods the orchestrator: how much longer its analysis takes than on an idle instance. The
//! real program, real HTTP, stand-ins for the services that work 50 ms per job.
//!
//! The floor is measured in the same run: the same analysis on the same instance before the flood.
//! `cargo bench --bench flood -- --quick` floods with a tenth.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

#[path = "../program.rs"]
mod program;
#[path = "../times.rs"]
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use awc::Client;
use dummy_services::{Behaviour, Dummies, Options, Script};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use program::{KEY, Program};
use times::median;

const ANALYSES: usize = 1_000;
/// Jobs of each that go to a service.
const JOBS: usize = 100;
/// The same of the small tenant's.
const SMALL: usize = 10;
const ROUNDS: usize = 15;
const LATENCY: Duration = Duration::from_millis(50);

fn main() {
    let share = if std::env::args().any(|argument| argument == "--quick") { 10 } else { 1 };
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("flood-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let dummies = services();
    let program = Program::start(&directory.join("data"), places(&dummies).into_iter());
    let url = format!("http://{}", program.address);
    actix::System::new().block_on(measure(&url, ANALYSES / share));
    std::fs::remove_dir_all(&directory).ok();
}

/// Every job takes as long, however many there are.
fn services() -> Dummies {
    let default = Behaviour { latency_ms: LATENCY.as_millis() as u64, ..Behaviour::default() };
    dummy_services::start(Options { script: Script { default, ..Script::default() }, ..Options::default() }).unwrap()
}

fn places(dummies: &Dummies) -> Vec<(&'static str, String)> {
    let (host, port) = (dummies.http().ip().to_string(), dummies.http().port().to_string());
    let hosts = ["DIASTEMA_SERVICES_HOST", "FUNCTION_SERVICE_HOST", "AUTOML_HOST", "DIASTEMA_FRONTEND_HOST"];
    let ports = ["DIASTEMA_SERVICES_PORT", "FUNCTION_SERVICE_PORT", "AUTOML_PORT", "DIASTEMA_FRONTEND_PORT"];
    let hosts = hosts.map(|name| (name, host.clone())).into_iter();
    hosts
        .chain(ports.map(|name| (name, port.clone())))
        .chain([("RUST_LOG", "warn,orchestrator::cli=info".to_owned())])
        .collect()
}

async fn measure(url: &str, analyses: usize) {
    let client = Client::builder().timeout(Duration::from_secs(60)).finish();
    small(&client, url, "warm-up").await;
    let (mut idle, mut flooded) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        idle.push(small(&client, url, &format!("idle-{round}")).await);
    }
    let since = Instant::now();
    let flood = stream::iter(0..analyses).map(|number| {
        let document = chains("large", &format!("flood-{number}"), JOBS, JOBS / SMALL);
        submit(&client, url, document)
    });
    flood.buffer_unordered(32).collect::<Vec<()>>().await;
    println!("{analyses} analyses x {JOBS} jobs accepted within {:?}", since.elapsed());
    for round in 0..ROUNDS {
        flooded.push(small(&client, url, &format!("flooded-{round}")).await);
        sleep(Duration::from_millis(200)).await;
    }
    let (open, done) = (open(&client, url, "large").await, since.elapsed());
    assert!(open > 0, "the flood was over before the last measurement");
    let (idle_50, flooded_50) = (median(&mut idle), median(&mut flooded));
    println!(
        "a chain of {SMALL} jobs of {LATENCY:?}, beside {analyses} analyses x {JOBS} jobs of another tenant: {flooded_50:?} (slowest {:?}); idle {idle_50:?} (slowest {:?}); {:.2} x idle (budget <= 1.5 x); {open} of the flood were open after {done:?}",
        flooded.last().unwrap(),
        idle.last().unwrap(),
        flooded_50.as_secs_f64() / idle_50.as_secs_f64(),
    );
}

/// The small tenant's analysis: from its submission until it is over.
async fn small(client: &Client, url: &str, id: &str) -> Duration {
    let since = Instant::now();
    submit(client, url, chains("small", id, SMALL, 1)).await;
    loop {
        let run = get(client, &format!("{url}/api/v1/analyses/{id}")).await;
        if run["finished-at"].is_number() {
            assert_eq!(run["state"], "succeeded", "{run:#}");
            return since.elapsed();
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn open(client: &Client, url: &str, tenant: &str) -> u64 {
    let usage = get(client, &format!("{url}/api/v1/tenants")).await;
    let items = usage["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["tenant"] == tenant);
    item.map_or(0, |item| item["open"]["used"].as_u64().unwrap())
}

async fn get(client: &Client, url: &str) -> Value {
    let mut answer = client.get(url).insert_header(("Authorization", format!("Bearer {KEY}"))).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.body().limit(16 << 20).await.unwrap()).unwrap()
}

async fn submit(client: &Client, url: &str, document: Value) {
    let request = client.post(format!("{url}/analysis")).content_type("application/json");
    let mut answer = request.send_body(document.to_string()).await.unwrap();
    let text = answer.body().await.unwrap();
    assert_eq!(answer.status(), 202, "{text:?}");
}

/// A data set, and so many cleanings behind it in as many chains.
fn chains(tenant: &str, id: &str, jobs: usize, chains: usize) -> Value {
    let length = jobs / chains;
    let firsts: Vec<usize> = (0..chains).map(|chain| 2 + chain * length).collect();
    let mut all =
        vec![json!({"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "d", "from": 0, "next": firsts})];
    for first in firsts {
        for step in first..first + length {
            let from = if step == first { 1 } else { step - 1 };
            let next = if step + 1 == first + length { 0 } else { step + 1 };
            let id = format!("{id}-{step}");
            all.push(
                json!({"step": step, "id": id, "title": "cleaning", "max-shrink": 0.5, "from": from, "next": [next]}),
            );
        }
    }
    json!({"diastema-token": KEY, "analysis-id": id, "database-id": tenant, "metadata": {}, "jobs": all})
}
