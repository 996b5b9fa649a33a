//! Whose evidence is in the output of a Spark job. Runs of an analysis write to the same places, and the records of an
//! earlier run may be late: what it still wants to delete may be the evidence of a later one by now.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;

use tokio::sync::{Mutex, watch};

use super::paths;
use crate::playbook::{BucketName, JobKind, ObjectKey};
use crate::ports::RunSpec;

/// Bucket and key.
type Place = (BucketName, ObjectKey);

/// The newest run whose evidence is, or will be, at a place. Clones share it.
#[derive(Clone)]
pub(super) struct Evidence {
    places: Rc<RefCell<HashMap<Place, Owner>>>,
    /// Not while runs of earlier lives of the process are still to come: nothing is deleted then.
    is_complete: Rc<watch::Sender<bool>>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { places: Rc::default(), is_complete: Rc::new(watch::Sender::new(true)) }
    }
}

struct Owner {
    run_id: i64,
    /// Held while the object there is being deleted.
    deleting: Rc<Mutex<()>>,
}

/// A run's right to a place. Dropped before its job has succeeded, it is gone.
pub(super) struct Claim {
    evidence: Evidence,
    /// `None` when it outlives the job.
    place: Option<Place>,
    run_id: i64,
}

impl Evidence {
    /// Whether every run of an earlier life of the process has said what it expects.
    pub(super) fn knows_all_claims(&self, is_complete: bool) {
        self.is_complete.send_replace(is_complete);
    }

    /// A run that goes on may find its evidence there already.
    pub(super) fn is_expected_by(&self, run: &RunSpec) {
        let spark = run.playbook.jobs.iter().filter(|job| matches!(job.kind, JobKind::Ml { .. }));
        let directories = spark.filter_map(|job| paths::output_directory(run, job));
        directories.for_each(|directory| self.claim(run, &directory.evidence()).stays());
    }

    /// From now on what is, or will be, at a place in the run's bucket is this run's, unless a later one has claimed it.
    pub(super) fn claim(&self, run: &RunSpec, key: &ObjectKey) -> Claim {
        let (place, run_id) = (place(run, key), run.run_id);
        let mut places = self.places.borrow_mut();
        let owner = places.entry(place.clone()).or_insert_with(|| Owner { run_id, deleting: Rc::default() });
        owner.run_id = owner.run_id.max(run_id);
        Claim { evidence: self.clone(), place: Some(place), run_id }
    }

    /// Deletes an object of a run with `delete`, unless it is a later run's by now: `None` then. No two deletions at a place
    /// are under way at once, so that none that was begun for an earlier run arrives late.
    pub(super) async fn delete_of<T, F>(&self, run: &RunSpec, key: &ObjectKey, delete: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T>,
    {
        // the sender lives as long as this: waiting for it cannot fail
        drop(self.is_complete.subscribe().wait_for(|complete| *complete).await);
        let place = place(run, key);
        let deleting = self.places.borrow().get(&place).map(|owner| Rc::clone(&owner.deleting));
        let _alone = match &deleting {
            Some(deleting) => Some(deleting.lock().await),
            None => None,
        };
        let is_later_ones = self.places.borrow().get(&place).is_some_and(|owner| owner.run_id > run.run_id);
        if is_later_ones { None } else { Some(delete().await) }
    }

    /// The evidence of a run is gone for good.
    pub(super) fn is_gone(&self, run: &RunSpec, key: &ObjectKey) {
        self.forget(&place(run, key), run.run_id);
    }

    fn forget(&self, place: &Place, run_id: i64) {
        let mut places = self.places.borrow_mut();
        if places.get(place).is_some_and(|owner| owner.run_id == run_id) {
            places.remove(place);
        }
    }
}

impl Claim {
    /// It outlives the job: until the evidence is deleted.
    pub(super) fn stays(mut self) {
        self.place = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.evidence.forget(place, self.run_id);
        }
    }
}

fn place(run: &RunSpec, key: &ObjectKey) -> Place {
    (BucketName::of(&run.playbook.tenant), key.clone())
}
