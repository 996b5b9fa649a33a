//! Several tenants who want the same things: ids of analyses, ids of jobs, labels. Whoever comes first has them, everybody
//! else is told that they are in use, and nothing of one tenant is ever seen at another's.

mod judge;
mod plan;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::http::{self, Answer};
use crate::orchestrator::{Recipe, TOKEN};
use crate::report::note;
use crate::scenario::Life;
use crate::world::World;
pub(crate) use judge::{Findings, judge};
pub(crate) use plan::{Contest, Submission, contests, deploy, ended};

/// Contests whose analyses are open at the same time.
const AT_ONCE: usize = 40;

/// With nothing happening for so long, what has not ended is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What was seen of everybody.
#[derive(Default)]
pub(crate) struct Seen {
    /// Requests to services and messages to Spark. *Shape*: where, what.
    pub(crate) requests: Vec<(String, Value)>,
    /// Notices. *Shape*: event id, text.
    pub(crate) notices: Vec<(String, String)>,
    /// Events of the final notices by the key of their analysis; one that is told again after a death is the same event.
    pub(crate) ends: BTreeMap<String, BTreeSet<String>>,
    /// What each submission was answered, by tenant and number of the contest.
    pub(crate) answers: BTreeMap<(usize, usize), Answered>,
}

/// What a submission was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Seen {
    /// Reads what has arrived at the services since.
    fn look(&mut self, world: &World) -> bool {
        let (entries, _) = world.dummies.take_ledger();
        let mut changed = false;
        for entry in entries {
            if entry.service == "POST /messages" {
                let event = entry.headers.get("idempotency-key").cloned().unwrap_or_default();
                let text = entry.body.as_str().unwrap_or_default().to_owned();
                if let Some(key) = plan::ended(&text) {
                    self.ends.entry(key).or_default().insert(event.clone());
                }
                self.notices.push((event, text));
                changed = true;
            } else if entry.service.starts_with("POST") || entry.service == "SPARK" {
                self.requests.push((entry.service, entry.body));
                changed = true;
            }
        }
        changed
    }
}

/// Plays all contests, with one death of the orchestrator in the middle. Answers with the life that still runs.
///
/// *Errors*: the orchestrator ends by itself, or something gets stuck.
pub(crate) async fn play(
    world: &Rc<World>,
    recipe: &Recipe,
    contests: &Rc<Vec<Contest>>,
    seen: &Rc<RefCell<Seen>>,
) -> Result<Life, String> {
    let mut life = Life::start(recipe).await?;
    let half = contests.len() / 2;
    play_some(world, &mut life, contests, 0..half, seen).await?;
    life.kill().await?;
    life = Life::start(recipe).await?;
    play_some(world, &mut life, contests, half..contests.len(), seen).await?;
    // whoever has lost asks again, when the winner's is long over: it is still the winner's
    let losers: Vec<(usize, usize)> = {
        let seen = seen.borrow();
        seen.answers.iter().filter(|(_, answer)| answer.status == 409).map(|(who, _)| *who).step_by(7).collect()
    };
    for (number, side) in losers {
        let again = submit(world.port, &contests[number].sides[side]).await;
        let before = seen.borrow().answers[&(number, side)].clone();
        if again != before {
            return Err(format!("a loser is answered {again:?} later, and was answered {before:?}"));
        }
    }
    life.must_be_alive()?;
    Ok(life)
}

async fn play_some(
    world: &Rc<World>,
    life: &mut Life,
    contests: &Rc<Vec<Contest>>,
    range: std::ops::Range<usize>,
    seen: &Rc<RefCell<Seen>>,
) -> Result<(), String> {
    let mut playing = JoinSet::new();
    let (mut next, mut last_change) = (range.start, Instant::now());
    loop {
        while next < range.end && playing.len() < AT_ONCE && open(&seen.borrow()) < 4 * AT_ONCE {
            let (number, both, port) = (next, Rc::clone(contests), world.port);
            // both at the same moment, every second time in the other order
            playing.spawn_local(async move {
                let [one, other] = &both[number].sides;
                let (one, other) = match number % 2 {
                    0 => tokio::join!(submit(port, one), submit(port, other)),
                    _ => {
                        let (other, one) = tokio::join!(submit(port, other), submit(port, one));
                        (one, other)
                    }
                };
                (number, [one, other])
            });
            next += 1;
            if next % 500 == 0 {
                note(&format!("{next} of {} contests", contests.len()));
            }
        }
        while let Some(ended) = playing.try_join_next() {
            let (number, answers) = ended.map_err(|error| error.to_string())?;
            for (side, answer) in answers.into_iter().enumerate() {
                seen.borrow_mut().answers.insert((number, side), answer);
            }
            last_change = Instant::now();
        }
        if seen.borrow_mut().look(world) {
            last_change = Instant::now();
        }
        let is_over = next == range.end && playing.is_empty() && open(&seen.borrow()) == 0;
        if is_over {
            return Ok(());
        }
        if last_change.elapsed() > STUCK_AFTER {
            return Err(format!("{} analyses are stuck", open(&seen.borrow())));
        }
        life.must_be_alive()?;
        sleep(Duration::from_millis(10)).await;
    }
}

/// Accepted analyses that have not ended.
fn open(seen: &Seen) -> usize {
    let accepted = seen.answers.values().filter(|answer| answer.status == 202).count();
    accepted.saturating_sub(seen.ends.len())
}

/// Submits until there is an answer.
async fn submit(port: u16, submission: &Submission) -> Answered {
    let document = submission.document(TOKEN).to_string();
    loop {
        match http::post(port, "/analysis", &document).await {
            Ok(Answer { status: 429 | 503, .. }) | Err(_) => sleep(Duration::from_millis(100)).await,
            Ok(Answer { status, text }) => return Answered { status, text },
        }
    }
}
