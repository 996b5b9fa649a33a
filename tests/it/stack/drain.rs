//! Fault matrix: *SIGTERM under load*. Submissions are refused at once, what is open is answered, nothing more is started,
//! the process ends well in time whoever hangs, and everything goes on after the next start.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::journal_faults::Disk;
use crate::peers::{Answer, CLOSED_PORT, KEY, Orchestrator, Server, wait_for};

/// No end takes longer, whoever hangs.
const LONGEST_END: Duration = Duration::from_secs(10);

/// Cleaning once or twice, then a sink.
fn playbook(analysis: &str, cleanings: usize) -> Value {
    let job = |step: usize, title: &str| {
        let next = if step == cleanings + 2 { 0 } else { step + 1 };
        json!({"step": step, "id": format!("{analysis}-{step}"), "title": title, "from": step - 1, "next": [next],
               "label": "d", "max-shrink": 0.1})
    };
    let mut jobs = vec![job(1, "dataset")];
    jobs.extend((0..cleanings).map(|number| job(number + 2, "cleaning")));
    jobs.push(job(cleanings + 2, "data-sink"));
    json!({"diastema-token": KEY, "analysis-id": analysis, "database-id": "drain", "metadata": {}, "jobs": jobs})
}

fn cleaning_takes(latency_ms: u64) -> Script {
    Script { kinds: [(Kind::Cleaning, Behaviour { latency_ms, ..Behaviour::default() })].into(), ..Script::default() }
}

fn cleaning_does(fault: Fault) -> Script {
    let behaviour = Behaviour { fault: Some(fault), ..Behaviour::default() };
    Script { kinds: [(Kind::Cleaning, behaviour)].into(), ..Script::default() }
}

/// Ids of the jobs that the cleaning service was told to start, in order.
fn cleanings(stack: &Stack) -> Vec<String> {
    let starts = stack.dummies.ledger().into_iter().filter(|entry| entry.service == "POST /data-cleaning");
    starts.filter_map(|entry| entry.body["job-id"].as_str().map(str::to_owned)).collect()
}

/// Ends well, in time; answers after how long.
#[track_caller]
fn ends_well(orchestrator: &mut Orchestrator) -> Duration {
    let since = Instant::now();
    orchestrator.terminate();
    assert_eq!(orchestrator.end(LONGEST_END), 0, "{}", orchestrator.said());
    since.elapsed()
}

#[track_caller]
fn is_draining(answer: &Answer) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("draining")), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "5", "{answer:?}");
}

/// Submits analyses of its own until nobody answers any more; notes those that were accepted.
fn submit_until_the_end(server: &Server, thread: usize, accepted: &Mutex<Vec<String>>, refused: &AtomicUsize) {
    for number in 0.. {
        let id = format!("load-{thread}-{number}");
        let Some(answer) = server.post_if_there("/analysis", &playbook(&id, 2).to_string()) else { return };
        if answer.status == 202 {
            accepted.lock().unwrap().push(id);
        } else {
            is_draining(&answer);
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn under_load_everything_that_was_answered_with_202_runs_to_its_end_after_the_next_start() {
    let mut stack = Stack::answering(Stores::Embedded, cleaning_takes(150), &[("SERVICE_CONCURRENCY", "16")]);
    let (accepted, refused) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let server = stack.orchestrator.server.clone();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (server, accepted, refused) = (&server, &accepted, &refused);
            scope.spawn(move || submit_until_the_end(server, thread, accepted, refused));
        }
        wait_for("there is load", PATIENCE, || (accepted.lock().unwrap().len() >= 200).then_some(()));
        ends_well(&mut stack.orchestrator);
    });
    let (accepted, refused) = (accepted.into_inner().unwrap(), refused.into_inner());
    assert!(refused > 0, "clients see that it stops");
    let before = cleanings(&stack).len();
    assert!(before < 2 * accepted.len(), "something is left to be done");

    stack.orchestrator = stack.orchestrator.kill_and_start();
    for id in &accepted {
        let run = stack.orchestrator.settled("analyses", id, PATIENCE);
        assert_eq!((&run["state"], &run["run"]), (&json!("succeeded"), &json!(1)), "{run:#}");
    }
    let mut started = cleanings(&stack);
    started.sort();
    let mut expected: Vec<String> = accepted.iter().flat_map(|id| [format!("{id}-2"), format!("{id}-3")]).collect();
    expected.sort();
    assert_eq!(started, expected, "each job of each accepted analysis was started once, and no other");
}

#[test]
fn while_it_stops_nothing_is_taken_and_nothing_started_but_everything_is_answered() {
    let mut stack = Stack::answering(Stores::Embedded, cleaning_takes(400), &[("DRAIN_SECONDS", "4")]);
    stack.orchestrator.submit(&playbook("Goes-On", 2));
    wait_for("the first cleaning runs", PATIENCE, || (cleanings(&stack).len() == 1).then_some(()));
    let server = stack.orchestrator.server.clone();
    assert_eq!(server.get("/ready").status, 200);

    let since = Instant::now();
    stack.orchestrator.terminate();
    wait_for("it is not ready any more", Duration::from_secs(1), || (server.get("/ready").status == 503).then_some(()));
    is_draining(&server.get("/ready"));
    assert_eq!(server.get("/health").status, 200);
    assert!(server.get("/metrics").text.contains("\ndraining 1\n"));
    is_draining(&server.post("/analysis", &playbook("Too-Late", 1).to_string()));
    let token = format!("Bearer {KEY}");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    is_draining(&server.ask("POST", "/api/v1/analyses", &headers, &playbook("Too-Late-2", 1).to_string()));
    assert_eq!(server.post("/analysis", "[]").status, 400, "what is wrong is said all the same");
    assert_eq!(server.get_with("/api/v1/analyses/too-late", KEY).status, 404);
    wait_for("the first cleaning has ended", PATIENCE, || {
        let run = stack.orchestrator.run("analyses", "goes-on");
        (run["jobs"][1]["state"] == "succeeded").then_some(())
    });
    wait_for("the refusal is told", PATIENCE, || {
        let told = stack.dummies.notices();
        told.iter()
            .any(|text| text == "error: Analysis with the given ID terminated with error: too-late")
            .then_some(())
    });
    assert_eq!(stack.orchestrator.end(LONGEST_END), 0);
    assert!(since.elapsed() >= Duration::from_secs(4), "it answers as long as it should");
    assert_eq!(cleanings(&stack), ["goes-on-2"], "the second cleaning waits");

    stack.orchestrator = stack.orchestrator.kill_and_start();
    assert_eq!(stack.orchestrator.settled("analyses", "goes-on", PATIENCE)["state"], "succeeded");
    assert_eq!(cleanings(&stack), ["goes-on-2", "goes-on-3"]);
}

#[test]
fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let mut stack = Stack::answering(Stores::Embedded, cleaning_takes(300), &[("DRAIN_SECONDS", "60")]);
    stack.orchestrator.submit(&playbook("Twice", 2));
    let server = stack.orchestrator.server.clone();
    stack.orchestrator.terminate();
    wait_for("it stops", Duration::from_secs(2), || (server.get("/ready").status == 503).then_some(()));
    let since = Instant::now();
    stack.orchestrator.terminate();
    assert_eq!(stack.orchestrator.end(LONGEST_END), 143);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());

    stack.orchestrator = stack.orchestrator.kill_and_start();
    assert_eq!(stack.orchestrator.settled("analyses", "twice", PATIENCE)["state"], "succeeded");
    assert_eq!(cleanings(&stack), ["twice-2", "twice-3"]);
}

#[test]
fn slow_clients_are_answered_and_do_not_hold_up_the_end() {
    let mut stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let server = stack.orchestrator.server.clone();
    let idle = server.connect();
    let mut half_a_head = server.connect();
    half_a_head.say(b"POST /analysis HTTP/1.1\r\nHost: x\r\n");
    let mut half_a_body = server.connect();
    half_a_body
        .say(b"POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    let mut kept_alive = server.connect();
    kept_alive.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(kept_alive.hear().status, 200);
    let mut does_not_listen = server.connect();
    (0..2_000).for_each(|_| does_not_listen.say(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));

    ends_well(&mut stack.orchestrator);
    is_draining(&half_a_body.hear());
    assert!(kept_alive.is_closed());
    drop((idle, half_a_head, does_not_listen));
}

#[test]
fn a_test_call_that_finds_a_hanging_service_is_answered_before_the_end() {
    let silent = Behaviour { fault: Some(Fault::BlackHole), ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Ingestion, silent)].into(), ..Script::default() };
    let mut stack = Stack::answering(Stores::Embedded, script, &[]);
    let document = json!({
        "diastema-token": KEY, "testing": true, "database-id": "drain", "user": "u", "dataset-label": "l",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv", "separator": ","},
    });
    let server = stack.orchestrator.server.clone();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| server.post("/ingestion", &document.to_string()));
        wait_for("the service is asked", PATIENCE, || {
            stack.dummies.ledger().iter().any(|entry| entry.service.ends_with("/test")).then_some(())
        });
        ends_well(&mut stack.orchestrator);
        let answer = asking.join().unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (503, "the server is about to stop"), "{answer:?}");
    });
}

#[test]
fn a_service_that_hangs_does_not_hold_up_the_end() {
    for fault in [Fault::BlackHole, Fault::NeverFinishes] {
        let mut stack = Stack::answering(Stores::Embedded, cleaning_does(fault), &[]);
        stack.orchestrator.submit(&playbook("Hangs", 1));
        wait_for("the cleaning service is asked", PATIENCE, || (!cleanings(&stack).is_empty()).then_some(()));
        ends_well(&mut stack.orchestrator);
        stack.orchestrator = stack.orchestrator.kill_and_start();
        assert_eq!(stack.orchestrator.run("analyses", "hangs")["state"], "running");
    }
}

#[test]
fn records_that_wait_for_a_mongodb_that_is_away_do_not_hold_up_the_end() {
    let away = [("MONGO_HOST", "127.0.0.1"), ("MONGO_PORT", CLOSED_PORT)];
    let mut stack = Stack::answering(Stores::Embedded, Script::default(), &away);
    let waiting = |stack: &Stack| {
        let text = stack.orchestrator.server.get("/metrics").text;
        let depth = text.lines().find_map(|line| line.strip_prefix("outbox_depth{lane=\"records\"} "));
        depth.and_then(|depth| depth.parse::<u32>().ok()).filter(|depth| *depth > 0)
    };
    stack.orchestrator.submit(&playbook("Waits", 1));
    wait_for("the run ends", PATIENCE, || {
        (stack.orchestrator.run("analyses", "waits")["state"] == "succeeded").then_some(())
    });
    let before = wait_for("records wait", PATIENCE, || waiting(&stack));
    ends_well(&mut stack.orchestrator);
    stack.orchestrator = stack.orchestrator.kill_and_start();
    let after = wait_for("they wait again", PATIENCE, || waiting(&stack));
    assert_eq!(after, before, "none is lost");
}

#[test]
fn a_full_disk_does_not_hold_up_the_end() {
    let mut stack = Stack::answering(Stores::Embedded, cleaning_takes(300), &[]);
    stack.orchestrator.submit(&playbook("Full", 2));
    wait_for("the first cleaning runs", PATIENCE, || (cleanings(&stack).len() == 1).then_some(()));
    let disk = Disk::fill(&stack.orchestrator.state_file());
    wait_for("the disk is full", PATIENCE, || (stack.orchestrator.server.get("/ready").status == 503).then_some(()));
    ends_well(&mut stack.orchestrator);
    assert!(stack.orchestrator.said().contains("the journal could not be written in time"));
    disk.make_room();
    stack.orchestrator = stack.orchestrator.kill_and_start();
    assert_eq!(stack.orchestrator.settled("analyses", "full", PATIENCE)["state"], "succeeded");
    assert_eq!(cleanings(&stack), ["full-2", "full-3"]);
}

#[test]
fn the_demo_can_be_interrupted_while_it_runs() {
    let mut demo = Orchestrator::demo(&["--latency", "60000"]);
    demo.interrupt();
    assert_eq!(demo.end(LONGEST_END), 0, "{}", demo.said());
}

#[test]
fn ctrl_c_stops_the_server_like_a_request_to_end() {
    let mut stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    stack.orchestrator.interrupt();
    assert_eq!(stack.orchestrator.end(LONGEST_END), 0, "{}", stack.orchestrator.said());
    // its last line may still be on the way to us
    wait_for("it says so", LONGEST_END, || {
        stack.orchestrator.said().contains("everything is on the disk").then_some(())
    });
}
