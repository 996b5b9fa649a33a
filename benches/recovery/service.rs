//! A job service that takes every start and is never ready.

use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, web};

/// Starts it on a thread of its own; answers its port.
pub(super) fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let app = || App::new().default_service(web::to(progress));
        let server = HttpServer::new(app).workers(1).listen(listener).unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
    port
}

async fn progress() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"progress"}"#)
}
