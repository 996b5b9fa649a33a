//! A job service that has always finished: every start is taken, every question answered with `complete`.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// When which analysis was last told that a job is complete, and the times from there to its next start.
#[derive(Default)]
struct Seen {
    completed: HashMap<String, Instant>,
    hops: Vec<Duration>,
}

/// The service, on a thread of its own with one worker.
pub(super) struct Service {
    pub(super) port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Service {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = web::Data::from(Arc::clone(&seen));
        std::thread::spawn(move || {
            let app = move || {
                App::new()
                    .app_data(shared.clone())
                    .route("/{path}", web::post().to(start))
                    .route("/{path}/progress", web::get().to(progress))
            };
            let server = HttpServer::new(app).workers(1).listen(listener).unwrap();
            actix_web::rt::System::new().block_on(server.run()).unwrap();
        });
        Self { port, seen }
    }

    /// Times from a job's completion to the next start of its analysis, as the service saw them.
    pub(super) fn take_hops(&self) -> Vec<Duration> {
        let mut seen = self.seen.lock().unwrap();
        seen.completed.clear();
        std::mem::take(&mut seen.hops)
    }
}

async fn start(body: web::Bytes, seen: web::Data<Mutex<Seen>>) -> HttpResponse {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let analysis = analysis(body["job-id"].as_str().unwrap());
    let mut seen = seen.lock().unwrap();
    if let Some(completed) = seen.completed.remove(analysis) {
        seen.hops.push(completed.elapsed());
    }
    HttpResponse::Ok().finish()
}

async fn progress(request: HttpRequest, seen: web::Data<Mutex<Seen>>) -> HttpResponse {
    let id = request.query_string().trim_start_matches("id=").replace("%2D", "-");
    // the floor's jobs follow no others
    if !id.starts_with("floor") {
        seen.lock().unwrap().completed.insert(analysis(&id).to_owned(), Instant::now());
    }
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"complete"}"#)
}

/// Job ids of the harness are `<analysis>-<step>`.
fn analysis(job_id: &str) -> &str {
    job_id.rsplit_once('-').map_or("", |(analysis, _)| analysis)
}
