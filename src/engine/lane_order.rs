//! Runs of one analysis tell the outside one after the other: what an earlier run still has to tell goes before the first
//! word of the next one (decision 20: notices and records are in order per analysis). Each lane for itself.

use std::collections::HashMap;

use futures::FutureExt;
// not tokio's: that says "not yet" to whoever asks more than a hundred at once
use futures::channel::oneshot;
use futures::future::Shared;

use crate::playbook::Space;
use crate::ports::RunSpec;

/// Resolves when a lane has run empty after the end of its run, or is gone.
type Ended = Shared<oneshot::Receiver<()>>;

/// A lane's place behind the same lane of the run before. Held as long as the lane has something to tell.
#[derive(Debug)]
pub struct Turn {
    before: Option<Ended>,
    _until: oneshot::Sender<()>,
}

impl Turn {
    /// Resolves when it is this lane's turn.
    pub(super) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // nothing is ever sent: the other end is dropped
            before.await.ok();
        }
    }
}

/// The places of a run's two lanes.
#[derive(Debug)]
pub struct Turns {
    pub(super) records: Turn,
    pub(super) notices: Turn,
}

/// Who is the last in line, for each analysis and ingestion that has something to tell.
#[derive(Debug, Default)]
pub struct LaneOrder {
    last: HashMap<(Space, String), [Ended; 2]>,
    /// Entries at which those that are over are taken out.
    most: usize,
}

/// Below that nobody is taken out.
const FEW: usize = 1024;

impl LaneOrder {
    /// The places of a run that begins, behind all that began before.
    pub fn next(&mut self, run: &RunSpec) -> Turns {
        if self.last.len() >= self.most {
            self.last.retain(|_, lanes| lanes.iter().any(|lane| lane.clone().now_or_never().is_none()));
            self.most = FEW.max(2 * self.last.len());
        }
        let id = (run.playbook.space, run.playbook.id.key().to_owned());
        let (records_until, records) = oneshot::channel();
        let (notices_until, notices) = oneshot::channel();
        let before = self.last.insert(id, [records.shared(), notices.shared()]);
        let [records, notices] = before.map_or([None, None], |lanes| lanes.map(Some));
        Turns {
            records: Turn { before: records, _until: records_until },
            notices: Turn { before: notices, _until: notices_until },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::build;

    fn run_of(id: &str) -> RunSpec {
        let jobs = json!([{"step": 1, "id": 1, "title": "dataset", "label": "d", "from": 0, "next": [0]}]);
        let document = json!({"analysis-id": id, "database-id": "metis", "metadata": {}, "jobs": jobs});
        let plan = build(document.as_object().expect("an object"), &Default::default()).expect("a playbook");
        RunSpec {
            run_id: 1,
            number: 1,
            playbook: plan.playbook.into(),
            accepted: actix::clock::Instant::now(),
            reused_ids: Default::default(),
        }
    }

    /// In a task, because there tokio's own channels pretend to have nothing once many of them were asked.
    #[actix::test]
    async fn runs_that_are_over_are_taken_out() {
        let mut lanes = LaneOrder::default();
        let open: Vec<Turns> = (0..10).map(|id| lanes.next(&run_of(&format!("open-{id}")))).collect();
        for id in 0..20 * FEW {
            drop(lanes.next(&run_of(&format!("over-{id}"))));
            assert!(lanes.last.len() <= FEW, "{} are kept after {id}", lanes.last.len());
        }
        drop(open);
    }
}
