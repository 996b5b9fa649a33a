//! What strangers can send, each as one function of bytes: playbooks, answers of services, replies of the Spark component,
//! records of the journal. None may panic or take long, whatever the bytes are. For fuzzers; tests run the same functions.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures::Future;
use tokio::io::{AsyncRead, ReadBuf};

use crate::adapters::spark::read_reply;
use crate::graph::build::{Plan, build, build_ingestion};
use crate::jobs::readings::read_everything;
use crate::playbook::findings::Refusal;
use crate::playbook::ingestion::{check_test_call, is_test_call};
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::settings::CheckSettings;
use crate::playbook::{JobKind, Space, json};
use crate::store::recovery::{StoredEntry, StoredRun, open_run};
use crate::store::{JobPhase, Submission};

/// A body of any of the platform's endpoints: read, judged both ways, and if it is accepted kept and read back.
///
/// *Panics* when what was accepted cannot be read back, or a refusal has no reason.
pub fn playbook(bytes: &[u8]) {
    let Ok(serde_json::Value::Object(document)) = json::parse(bytes) else { return };
    let urls = |policy| UrlRule { policy, own_services: vec![("localhost".to_owned(), 5001)] };
    for policy in [UrlPolicy::Any, UrlPolicy::PublicOnly] {
        let settings = CheckSettings { ingestion_urls: urls(policy), ..CheckSettings::default() };
        for (space, plan) in
            [(Space::Analysis, build(&document, &settings)), (Space::Ingestion, build_ingestion(&document, &settings))]
        {
            match plan {
                Ok(plan) => is_read_back(space, &plan, &Submission::new(&plan.playbook, &document)),
                Err(refusal) => says_why(&refusal),
            }
        }
        if is_test_call(&document).is_ok()
            && let Err(refusal) = check_test_call(&document, &settings)
        {
            says_why(&refusal);
        }
    }
}

fn says_why(refusal: &Refusal) {
    assert!(refusal.problems.iter().all(|problem| !problem.reason.is_empty() && !problem.code.is_empty()));
    assert!(!refusal.problems.is_empty(), "a refusal without a reason");
}

fn is_read_back(space: Space, plan: &Plan, submission: &Submission) {
    let stored = stored(space, submission.document.clone(), Vec::new());
    let open = open_run(&stored, 0).expect("what was accepted can be read back");
    assert_eq!(open.plan.graph.len(), plan.graph.len());
    for job in &plan.playbook.jobs {
        if let JobKind::Ingestion(args) = &job.kind {
            // a service may repeat everything
            args.request.blot().out_of(args.request.reveal().to_string());
        }
        job.raw.document(None);
    }
}

/// An answer of a service: two bytes of status, then the body.
///
/// *Panics* when a text that would be kept of it is too long or has control characters.
pub fn service_answer(bytes: &[u8]) {
    let (status, body) = match bytes {
        [high, low, body @ ..] => (u16::from_be_bytes([*high, *low]), body),
        short => (200, short),
    };
    read_everything(status, &String::from_utf8_lossy(body));
}

/// A reply of the Spark component: a byte says in which portions the rest arrives.
///
/// *Panics* when more is kept of it than may be.
pub fn spark_reply(bytes: &[u8]) {
    let (portion, rest) = bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first).max(1), rest));
    let mut reading = pin!(read_reply(Portions { rest, portion }));
    // nothing is waited for: the bytes are there
    if let Poll::Ready(Ok(reply)) = reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        assert!(reply.len() <= 3 * 2048 && !reply.is_empty());
    }
}

/// Bytes that arrive a few at a time.
struct Portions<'a> {
    rest: &'a [u8],
    portion: usize,
}

impl AsyncRead for Portions<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let count = self.portion.min(self.rest.len()).min(buffer.remaining());
        let (now, rest) = self.rest.split_at(count);
        buffer.put_slice(now);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// A run as it is stored: a line with the document of an analysis (empty for a usual one), then one with each record. A
/// record may have a number and a tab before it: its tick.
pub fn journal_records(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let document = lines.next().filter(|line| !line.is_empty()).unwrap_or(DOCUMENT).to_owned();
    let entries = lines.zip(1..).map(|(line, seq)| {
        let (tick, record) = line.split_once('\t').unwrap_or(("0", line));
        StoredEntry { seq, at: 0, tick: tick.parse().unwrap_or_default(), record: record.to_owned() }
    });
    let stored = stored(Space::Analysis, document, entries.collect());
    for now in [0, i64::MAX, i64::MIN] {
        if let Ok(open) = open_run(&stored, now) {
            open.progress.count(JobPhase::Running);
            open.progress.pauses(now);
        }
    }
}

/// Two jobs behind a data set.
const DOCUMENT: &str = r#"{"analysis-id":"a","database-id":"metis","metadata":null,"jobs":[
{"step":1,"id":1,"title":"dataset","label":"d","from":0,"next":[2]},
{"step":2,"id":2,"title":"cleaning","max-shrink":false,"from":1,"next":[3],"retry":{"attempts":3}},
{"step":3,"id":3,"title":"regression","column":"c","automl":true,"params":{},"from":2,"next":[0]}]}"#;

fn stored(space: Space, document: String, entries: Vec<StoredEntry>) -> StoredRun {
    StoredRun {
        run_id: 1,
        space,
        id: "a".to_owned(),
        number: 1,
        reused_ids: "[]".to_owned(),
        has_ended: false,
        document,
        entries,
    }
}
