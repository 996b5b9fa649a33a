//! Whole lives of the real binary, logging everything, with a secret in every place that may hold one: nothing of them is
//! kept, told or shown, and what needs them gets them, after a restart too.

use std::time::Duration;

use dummy_services::Script;
use mongodb::bson::doc;
use serde_json::{Value, json};

use super::echo::Echo;
use super::gathered::Gathered;
use super::{INGESTION, MINIO, MONGO, PLATFORM, SPARK, USERINFO, WRONG, ingestion};
use crate::peers::{Mongo, Orchestrator, wait_for};
use crate::stack::{PATIENCE, Stack, Stores, playbook};

/// What a test gives an orchestrator: every secret, and the most talkative log.
const SETTINGS: [(&str, &str); 5] = [
    ("RUST_LOG", "trace"),
    ("DIASTEMA_KEY", PLATFORM),
    ("MINIO_PASS", MINIO),
    ("SPARK_MINIO_USER", "user-of-spark"),
    ("SPARK_MINIO_PASS", SPARK),
];

/// Headers that requests to services may have: nothing in them says whose a job is.
const HEADERS: [&str; 7] =
    ["host", "date", "accept-encoding", "content-type", "content-length", "user-agent", "diastema-callback"];

/// Documents that are refused, with their secrets in places where they could be repeated.
fn refused() -> Vec<String> {
    let good = ingestion("Refused-1", "canaries", "Refused", "http://127.0.0.1:1/data.csv");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        document.to_string()
    };
    let url = |url: &str| with(&|document| document["ingestion_json"]["url"] = json!(url));
    let query = INGESTION[5];
    vec![
        url(&format!("http://user:{USERINFO}@host.example/data.csv?sig={query}")),
        url(&format!("http://{USERINFO}@host.example/")),
        url(&format!("user:{USERINFO}@host.example/data.csv")),
        url(&format!("host.example/data.csv?sig={query}")),
        url(&format!("/data.csv?{query}")),
        url(&format!("ftp://user:{USERINFO}@host.example/?{query}")),
        url(&format!("http://{USERINFO}\\@host.example/?{query}")),
        url(&format!("http://host.example/#@{USERINFO}")),
        url(&format!("http://host.example/\n?{query}")),
        with(&|document| document["diastema-token"] = json!(WRONG)),
        with(&|document| document["diastema-token"] = json!([PLATFORM])),
        with(&|document| document["ingestion_json"] = json!(document["ingestion_json"].to_string())),
        with(&|document| document["ingestion_json"] = json!([document["ingestion_json"]])),
        with(&|document| document["ingestion_json"]["headers"] = json!({"A": format!("{}\r\nB: c", INGESTION[1])})),
        with(&|document| document["ingestion_json"]["method"] = json!("PATCH")),
        with(&|document| document["dataset-label"] = json!("")),
        with(&|document| document["database-id"] = json!("UIDB")),
        // broken in the middle of the secrets, and twice the same
        good.to_string().replace("\"headers\"", "headers"),
        good.to_string().replace("?sig=", "?\u{1}sig="),
        good.to_string()[..good.to_string().len() - 3].to_owned(),
        format!(r#"{{"diastema-token":"{PLATFORM}","diastema-token":"{PLATFORM}"}}"#),
        format!(r#""{PLATFORM}""#),
        format!("{PLATFORM}"),
        format!(r#"{{"diastema-token":"{PLATFORM}","analysis-id":"Refused","database-id":"canaries","jobs":[]}}"#),
    ]
}

/// Submits everything that is refused, to every place that takes it.
fn submit_refused(orchestrator: &Orchestrator, gathered: &mut Gathered) {
    let server = &orchestrator.server;
    for document in refused() {
        for path in ["/ingestion", "/analysis"] {
            let answer = server.post(path, &document);
            assert!((400..500).contains(&answer.status), "{path}: {answer:?} to {document}");
            gathered.answer(path, &answer);
        }
        let token = format!("Bearer {PLATFORM}");
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        gathered.answer("the API", &server.ask("POST", "/api/v1/analyses", &headers, &document));
    }
    for (name, value) in [("Authorization", format!("Bearer {WRONG}")), ("Authorization", format!("Basic {WRONG}"))] {
        let answer = server.ask("GET", "/api/v1/analyses", &[(name, &value)], "");
        assert_eq!(answer.status, 401);
        gathered.answer("a wrong token", &answer);
    }
    for path in [format!("/api/v1/analyses?token={WRONG}"), format!("/api/v1/analyses?state={WRONG}&token={WRONG}")] {
        gathered.answer("a token in the address", &server.get_with(path.split("state").next().unwrap(), PLATFORM));
    }
    gathered.answer("a broken request", &{
        let mut connection = server.connect();
        connection.say(format!("GET / HTTP/1.1\r\nAuthorization: {WRONG}\u{1}\r\n\r\n").as_bytes());
        connection.hear()
    });
}

fn post_ingestion(orchestrator: &Orchestrator, document: &Value, gathered: &mut Gathered) {
    let answer = orchestrator.server.post("/ingestion", &document.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    gathered.answer("an ingestion", &answer);
}

#[test]
fn an_ingestion_and_an_analysis_with_every_title_leave_no_secret_anywhere() {
    const TENANT: &str = "canaries";
    let stack = Stack::start(Stores::Real, Script::default(), &SETTINGS);
    let (mongo, orchestrator, mut gathered) = (Mongo::shared(), &stack.orchestrator, Gathered::default());
    mongo.insert("UIDB", "datasets", doc! {"organization": TENANT, "user": "demo", "label": "Visits"});
    mongo.deploy("Canary-1", TENANT);
    let source = format!("http://{}/samples/visits.csv", stack.dummies.http());
    post_ingestion(orchestrator, &ingestion("Canary-In", TENANT, "Visits", &source), &mut gathered);
    let run = orchestrator.settled("ingestions", "Canary-In", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let mut chain = playbook("chain-of-every-title.json", TENANT, "Canary-1", 0);
    // ids of its own: services remember them for ever
    for (number, job) in (4_400_001_u64..).zip(chain["jobs"].as_array_mut().unwrap()) {
        job["id"] = json!(number);
    }
    let run = stack.play(&chain);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    submit_refused(orchestrator, &mut gathered);

    gathered.shown(orchestrator, PLATFORM, &[("ingestions", "Canary-In"), ("analyses", "Canary-1")]);
    gathered.files(&orchestrator.data_dir());
    gathered.documents(mongo, &[TENANT, "UIDB", "Diastema"]);
    gathered.add("the notices", stack.dummies.notices().join("\n"));
    let mut requests = Gathered::default();
    for entry in stack.dummies.ledger() {
        gathered.add(format!("headers of {}", entry.service), format!("{:?}", entry.headers));
        requests.add(entry.service, entry.body.to_string());
    }
    // it looks where it should: what is no secret is found
    assert!(gathered.places_of("Canary-1").iter().any(|place| place.ends_with("state.db-wal")));
    assert!(gathered.places_of("Canary-1").contains(&"the log"));
    assert!(gathered.places_of("directory-kind").contains(&"canaries.analysis_canary-1"));
    assert!(gathered.places_of("completed with ID").contains(&"the notices"));
    gathered.has_no_secret();
    // and who needs a secret has got it, and no other
    for secret in INGESTION {
        let places = requests.places_of(secret);
        assert!(places.contains(&"POST /data-ingesting"), "{secret}");
        // what it does with it is its own affair: it sends it on to itself, and to the source
        let others = |place: &&str| !place.ends_with(" /data-ingesting") && !place.contains("/samples/");
        assert!(!places.iter().any(others), "{secret}: {places:?}");
    }
    let sent_to_spark = requests.places_of(SPARK);
    assert!(!sent_to_spark.is_empty() && sent_to_spark.iter().all(|place| *place == "SPARK"), "{sent_to_spark:?}");
    for secret in [PLATFORM, MINIO, WRONG, USERINFO] {
        assert!(requests.places_of(secret).is_empty(), "{secret}");
    }
}

fn stack_with(echo: &Echo, more: &[(&str, &str)]) -> Stack {
    let port = echo.port.to_string();
    let own = [
        ("DIASTEMA_SERVICES_PORT", port.as_str()),
        ("PUBLIC_URL", "http://127.0.0.1:1"),
        ("NO_ANSWER_SECONDS", "1"),
        ("POLL_INTERVAL_SECONDS", "0.1"),
        ("START_RETRY_SECONDS", "0.2"),
        ("INGESTION_TEST_TIMEOUT_SECONDS", "5"),
    ];
    Stack::answering(Stores::Embedded, Script::default(), &[&SETTINGS[..], &own, more].concat())
}

#[test]
fn a_service_that_repeats_what_it_was_sent_cannot_make_it_known() {
    let echo = Echo::start();
    let stack = stack_with(&echo, &[]);
    let (orchestrator, mut gathered) = (&stack.orchestrator, Gathered::default());
    let ids = ["refuses-1", "breaks-1", "fails-1", "database-1", "babbles-1", "calls-1"];
    for id in ids {
        post_ingestion(orchestrator, &ingestion(id, "canaries", id, "http://127.0.0.1:1/x.csv"), &mut gathered);
    }
    let callback = wait_for("the job is started", PATIENCE, || echo.callback_of("calls-1"));
    let (start, _) = echo.start_of("calls-1").unwrap();
    let said = json!({"status": "error", "message": start.lines().last()}).to_string();
    assert_eq!(orchestrator.server.post(&callback, &said).status, 204);
    for id in ids {
        let run = orchestrator.settled("ingestions", id, PATIENCE);
        assert_eq!(run["state"], "failed", "{run:#}");
    }
    let mut test_call = ingestion("test-1", "canaries", "x", "http://127.0.0.1:1/x.csv");
    test_call["testing"] = json!(true);
    assert_eq!(orchestrator.server.post("/ingestion", &test_call.to_string()).status, 200);
    submit_refused(orchestrator, &mut gathered);
    let runs: Vec<(&str, &str)> = ids.iter().map(|id| ("ingestions", *id)).collect();
    gathered.shown(orchestrator, PLATFORM, &runs);
    gathered.files(&orchestrator.data_dir());
    gathered.add("the notices", stack.dummies.notices().join("\n"));
    for head in echo.heads() {
        assert!(!head.to_lowercase().contains("canaries"), "a head names its tenant: {head}");
        let names = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase());
        let odd: Vec<String> = names.filter(|name| !HEADERS.contains(&name.as_str())).collect();
        assert!(odd.is_empty(), "{odd:?} in {head}");
        gathered.add("the head of a request", head);
    }
    assert!(gathered.places_of("canno").len() > 5, "words of the service are kept, but for the secrets");
    gathered.has_no_secret();
}

/// The journal has the ingestion sealed; the orchestrator that goes on with it sends what was submitted.
#[test]
fn an_ingestion_is_forwarded_with_its_secrets_after_a_restart_too() {
    let echo = Echo::start();
    let stack = stack_with(&echo, &[("KILL_AT", "k3")]);
    let document = ingestion("works-2", "canaries", "Again", "http://127.0.0.1:1/x.csv");
    let answer = stack.orchestrator.server.post("/ingestion", &document.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    let data = stack.orchestrator.data_dir();
    let orchestrator = stack.orchestrator.dies_and_starts_again(&["KILL_AT"]);
    let (start, _) = wait_for("it is started", PATIENCE, || echo.start_of("works-2"));
    let body: Value = serde_json::from_str(start.lines().last().unwrap()).unwrap();
    assert_eq!(body["ingestion_json"].to_string(), document["ingestion_json"].to_string());
    let mut gathered = Gathered::default();
    gathered.files(&data);
    gathered.add("the log", orchestrator.said());
    gathered.has_no_secret();
}

#[test]
fn a_database_that_refuses_the_password_does_not_make_it_known() {
    let port = Mongo::shared().port().to_string();
    let login = [
        ("MONGO_HOST", "127.0.0.1"),
        ("MONGO_PORT", port.as_str()),
        ("MONGO_USER", "nobody"),
        ("MONGO_PASS", MONGO),
        ("DELIVERY_WAIT_SECONDS", "1"),
    ];
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[&SETTINGS[..], &login].concat());
    let orchestrator = &stack.orchestrator;
    orchestrator.submit(&playbook("chain.json", "canaries", "No-Login", 4_500_001));
    let refused = |said: String| said.contains("not delivered").then_some(());
    wait_for("the database refuses", Duration::from_secs(40), || refused(orchestrator.said()));
    let mut gathered = Gathered::default();
    gathered.shown(orchestrator, PLATFORM, &[("analyses", "No-Login")]);
    gathered.files(&orchestrator.data_dir());
    gathered.has_no_secret();
}
