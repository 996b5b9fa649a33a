//! Starting, counting, stopping.

use std::net::TcpStream;

use dummy_services::{Behaviour, Kind, Options, start, start_http, start_spark};

use crate::support::{get, post, with_behaviour};

#[actix_web::test]
async fn ports_are_free_after_the_stop() {
    let first = start(Options::default()).unwrap();
    let (http, spark) = (first.http(), first.spark());
    // An open question does not keep the services alive.
    let _open = TcpStream::connect(spark).unwrap();
    assert_eq!(get(&first, "/function/progress?id=unknown").await, None);
    first.stop();
    assert!(TcpStream::connect(http).is_err());
    let again = start(Options { http_port: http.port(), spark_port: spark.port(), ..Options::default() }).unwrap();
    assert_eq!((again.http(), again.spark()), (http, spark));
}

#[test]
fn a_taken_port_is_an_error() {
    let first = start_http(Options::default()).unwrap();
    let taken = start_http(Options { http_port: first.http().port(), ..Options::default() });
    assert_eq!(taken.unwrap_err().to_string(), format!("cannot listen on {}", first.http()));
}

#[test]
fn the_parts_start_alone() {
    assert_eq!(start_http(Options::default()).unwrap().spark().port(), 0);
    assert_eq!(start_spark(Options::default()).unwrap().http().port(), 0);
}

#[actix_web::test]
async fn jobs_in_flight_are_counted() {
    let dummies = with_behaviour(Kind::Join, Behaviour { latency_ms: 100, ..Behaviour::default() });
    for id in 1..=3 {
        post(&dummies, "/join/", &format!(r#"{{"job-id": {id}}}"#)).await.unwrap();
    }
    assert_eq!(dummies.max_in_flight(Kind::Join), 3);
    assert_eq!(dummies.max_in_flight(Kind::Cleaning), 0);
}
