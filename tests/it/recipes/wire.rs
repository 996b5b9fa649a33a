//! The bytes of the adapters: what arrives at a socket, byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use orchestrator::adapters::address::Address;
use orchestrator::adapters::frontend::WebApplication;
use orchestrator::adapters::http_client::CallLimits;
use orchestrator::adapters::secret::Secret;
use orchestrator::adapters::services::{HttpServices, ServiceAddresses};
use orchestrator::adapters::spark::{SparkComponent, SparkSettings};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{Announcements, CallError, JobServices, Notice, NoticeKind, SparkJob, SparkSubmitter};
use serde_json::json;

/// Takes connections one after the other; says `answers` in turn, hears everything until a moment of silence.
struct Listener {
    address: SocketAddr,
    heard: JoinHandle<Vec<String>>,
}

impl Listener {
    fn saying(answers: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers: Vec<String> =
            answers.iter().map(|answer| answer.replace("{address}", &address.to_string())).collect();
        let heard = std::thread::spawn(move || {
            let mut heard = Vec::new();
            let mut connection: Option<TcpStream> = None;
            for answer in answers {
                let mut stream = connection.take().unwrap_or_else(|| listener.accept().expect("a connection").0);
                let mut request = hear(&mut stream);
                if request.is_empty() {
                    stream = listener.accept().expect("another connection").0;
                    request = hear(&mut stream);
                }
                heard.push(request);
                stream.write_all(answer.as_bytes()).expect("the answer can be sent");
                connection = Some(stream);
            }
            heard
        });
        Self { address, heard }
    }

    fn address(&self) -> Address {
        Address::new(self.address.ip().to_string(), self.address.port())
    }

    /// Everything that was heard, with the port left out.
    fn heard(self) -> Vec<String> {
        let port = self.address.to_string();
        let heard = self.heard.join().expect("the listener worked");
        heard.into_iter().map(|text| text.replace(&port, "HOST:PORT")).collect()
    }
}

fn hear(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit can be set");
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).expect("UTF-8")
}

fn services(address: Address) -> HttpServices {
    let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
    HttpServices::new(addresses, &CallLimits::default())
}

/// Request line, the headers that the platform reads, body.
fn read_by_the_platform(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let mut headers: Vec<String> = lines.map(|line| line.to_lowercase()).collect();
    headers.retain(|line| ["content-", "idempotency-key", "transfer-"].iter().any(|name| line.starts_with(name)));
    headers.sort_unstable();
    [vec![first], headers, vec![body.to_owned()]].concat().join("\n")
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[actix::test]
async fn a_start_follows_the_data_service_to_its_final_slash() {
    let moved = "HTTP/1.1 308 PERMANENT REDIRECT\r\nlocation: http://{address}/join/\r\ncontent-length: 5\r\n\r\nmoved";
    let listener = Listener::saying(&[moved, OK]);
    let answer =
        services(listener.address()).post(Service::Join, "join", &json!({"job-id": "1", "column": "é"}), None).await;
    assert_eq!(answer.map(|answer| (answer.status, answer.body)), Ok((200, "ok".to_owned())));
    let heard: Vec<String> = listener.heard().iter().map(|request| read_by_the_platform(request)).collect();
    let expected = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\ncontent-length: 28\ncontent-type: application/json\n{{\"job-id\":\"1\",\"column\":\"é\"}}"
        )
    };
    assert_eq!(heard, [expected("/join"), expected("/join/")]);
}

#[actix::test]
async fn redirects_to_somewhere_else_are_not_followed() {
    for location in ["http://127.0.0.1:1/join/", "https://{address}/join/", "http://localhost.example/", ""] {
        let moved = format!("HTTP/1.1 308 PERMANENT REDIRECT\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let listener = Listener::saying(&[&moved, &moved, &moved, &moved]);
        let answer = services(listener.address()).post(Service::Join, "join", &json!({}), None).await;
        assert!(matches!(answer, Err(CallError::Unusable { .. })), "{location}: {answer:?}");
    }
}

#[actix::test]
async fn a_notice_is_a_form() {
    let listener = Listener::saying(&[OK]);
    let notice = Notice { kind: NoticeKind::Error, text: "Zahl & \"ö\" + 1 for the analysis with ID: A".to_owned() };
    let told = WebApplication::new(listener.address(), &CallLimits::default()).announce(&notice, "A/1/2").await;
    assert_eq!(told, Ok(()));
    let expected = concat!(
        "POST /messages HTTP/1.1\ncontent-length: 77\ncontent-type: application/x-www-form-urlencoded\n",
        "idempotency-key: a/1/2\nmessage=error&error=Zahl+%26+%22%C3%B6%22+%2B+1+for+the+analysis+with+ID%3A+A",
    );
    assert_eq!(read_by_the_platform(&listener.heard()[0]), expected);
}

#[actix::test]
async fn the_spark_message_is_a_header_of_64_bytes_and_16_texts_in_order() {
    let listener = Listener::saying(&["Msg received"]);
    let settings = SparkSettings {
        address: listener.address(),
        connect: Duration::from_secs(5),
        minio: Address::new("minio", 9000),
        minio_user: "diastema".to_owned(),
        minio_pass: Secret::new("diastema"),
        mongo: Address::new("mongo", 27017),
    };
    let job = SparkJob {
        script: "local:///app/src/ClassificationJob.py".to_owned(),
        algorithm: "randomForest".to_owned(),
        input: "metis/datasets/α".to_owned(),
        output: "metis/analysis-0af/classified-2".to_owned(),
        column: "risk".to_owned(),
        job_id: "20".to_owned(),
        analysis_id: "0aF".to_owned(),
    };
    let connection = SparkComponent::new(settings).connect().await.expect("somebody listens");
    assert_eq!(connection.submit(&job).await, Ok("Msg received".to_owned()));
    let payload = concat!(
        r#"{"master-host":"192.168.49.2","master-port":"8443","app-name":"diastema-job","minio-host":"minio","#,
        r#""minio-port":"9000","minio-user":"diastema","minio-pass":"diastema","mongo-host":"mongo","#,
        r#""mongo-port":"27017","path":"local:///app/src/ClassificationJob.py","algorithm":"randomForest","#,
        r#""minio-input":"metis/datasets/α","minio-output":"metis/analysis-0af/classified-2","column":"risk","#,
        r#""job-id":"20","analysis-id":"0aF"}"#,
    );
    assert_eq!(listener.heard(), [format!("{:<64}{payload}", payload.len())]);
}

/// Otherwise a start on a connection that had been idle for too long would look as if its reply had been lost.
#[actix::test]
async fn a_connection_that_was_closed_while_idle_is_not_used_again() {
    let server = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = Address::new("127.0.0.1", server.local_addr().expect("an address").port());
    let (closed, seen) = tokio::sync::oneshot::channel();
    let heard = std::thread::spawn(move || {
        let (mut first, _) = server.accept().expect("a connection");
        let mut requests = vec![hear(&mut first)];
        first.write_all(OK.as_bytes()).expect("the answer can be sent");
        drop(first);
        closed.send(()).expect("the test waits");
        let (mut second, _) = server.accept().expect("another connection");
        requests.push(hear(&mut second));
        second.write_all(OK.as_bytes()).expect("the answer can be sent");
        requests
    });
    let services = services(address);
    assert!(services.post(Service::Function, "function", &json!({"job-id": "1"}), None).await.is_ok());
    seen.await.expect("the connection is closed");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let again = services.post(Service::Function, "function", &json!({"job-id": "2"}), None).await;
    assert_eq!(again.map(|answer| answer.status), Ok(200));
    let heard = heard.join().expect("the server worked");
    assert!(heard[0].ends_with(r#"{"job-id":"1"}"#) && heard[1].ends_with(r#"{"job-id":"2"}"#), "{heard:?}");
}

#[actix::test]
async fn silence_and_a_cut_are_no_answer_and_nobody_is_no_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("an address").port());
    let limits = CallLimits { answer: Duration::from_millis(200), ..CallLimits::default() };
    let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
    let silent = HttpServices::new(addresses.clone(), &limits);
    assert!(matches!(silent.get(Service::Join, "join").await, Err(CallError::NoAnswer { .. })));
    // the request has arrived: to repeat it could start a job twice
    let closing = Listener::saying(&[""]);
    let closed = services(closing.address()).post(Service::Function, "function", &json!({}), None).await;
    assert!(matches!(closed, Err(CallError::NoAnswer { .. })), "{closed:?}");
    assert_eq!(closing.heard().len(), 1);
    drop(listener);
    let nobody = HttpServices::new(addresses, &limits);
    assert!(matches!(nobody.get(Service::Join, "join").await, Err(CallError::NotConnected { .. })));
}
