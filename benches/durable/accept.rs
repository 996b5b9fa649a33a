//! Clients that submit as fast as they are answered, or at a rate: the real program in a process of its own, and a bare server.

use std::cell::RefCell;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep_until;
use actix_web::{App, HttpResponse, HttpServer, web};
use awc::Client;
use futures::future::join_all;
use serde_json::json;

use crate::program::{KEY, Program};

/// One analysis runs, and waits for a service that is not there; all others wait behind it.
pub(super) fn orchestrator(data: &Path) -> Program {
    let limits = [("TENANT_RUNNING_ANALYSES", "1"), ("TENANT_OPEN_ANALYSES", "1000000")];
    let more = [("TOTAL_OPEN_ANALYSES", "1000000"), ("START_RETRY_SECONDS", "3600")];
    Program::start(data, limits.into_iter().chain(more).map(|(name, value)| (name, value.to_owned())))
}

/// A server that reads the body and says yes.
pub(super) fn bare_server() -> String {
    async fn yes(body: web::Bytes) -> HttpResponse {
        HttpResponse::Accepted().json(json!({"length": body.len()}))
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let server = HttpServer::new(|| App::new().route("/analysis", web::post().to(yes)));
        actix_web::rt::System::new().block_on(server.workers(2).listen(listener).unwrap().run()).unwrap();
    });
    address
}

/// What the clients saw.
pub(super) struct Seen {
    pub(super) time: Duration,
    /// How long each answer took, with when its submission was due.
    answers: Vec<(Duration, Duration)>,
}

impl Seen {
    /// How long the answers took to submissions that were due after so long.
    pub(super) fn answers_after(&self, start: Duration) -> Vec<Duration> {
        self.answers.iter().filter(|(due, _)| *due >= start).map(|(_, took)| *took).collect()
    }
}

/// When the clients submit.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// Each as soon as its last one is answered.
    AsAnswered,
    /// So many a second in all. An answer counts from when its submission was due, so a client that is held up hides nothing.
    PerSecond(u32),
}

/// Submissions of these numbers by so many clients, each with one open at a time.
pub(super) async fn submit(address: &str, numbers: Range<usize>, clients: usize, pace: Pace) -> Seen {
    let url = format!("http://{address}/analysis");
    let client = Client::builder().connector(awc::Connector::new().limit(0)).timeout(Duration::from_secs(60)).finish();
    let first = numbers.start;
    let next = Rc::new(RefCell::new(numbers));
    let beginning = Instant::now();
    let answers = join_all((0..clients).map(|_| {
        let (url, client, next) = (url.clone(), client.clone(), Rc::clone(&next));
        let take = move || next.borrow_mut().next();
        async move {
            let mut answers = Vec::new();
            while let Some(number) = take() {
                let body = playbook(number);
                let since = due(beginning, number - first, pace).await;
                let mut answer = client.post(&url).content_type("application/json").send_body(body).await.unwrap();
                let text = answer.body().await.unwrap();
                assert_eq!(answer.status(), 202, "{text:?}");
                answers.push((since.duration_since(beginning), since.elapsed()));
            }
            answers
        }
    }))
    .await;
    Seen { time: beginning.elapsed(), answers: answers.into_iter().flatten().collect() }
}

/// Waits until the submission of this place is due; answers since when it is.
async fn due(beginning: Instant, place: usize, pace: Pace) -> Instant {
    match pace {
        Pace::AsAnswered => Instant::now(),
        Pace::PerSecond(rate) => {
            let due = beginning + Duration::from_secs(1).mul_f64(place as f64 / f64::from(rate));
            sleep_until(due.into()).await;
            due
        }
    }
}

fn playbook(number: usize) -> String {
    let jobs = json!([
        {"step": 1, "id": format!("{number}-1"), "title": "dataset", "label": "visits", "from": 0, "next": [2]},
        {"step": 2, "id": format!("{number}-2"), "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [3]},
        {"step": 3, "id": format!("{number}-3"), "title": "data-sink", "from": 2, "next": [0]},
    ]);
    let id = format!("accept-{number}");
    json!({"diastema-token": KEY, "analysis-id": id, "database-id": "bench", "metadata": {}, "jobs": jobs}).to_string()
}
