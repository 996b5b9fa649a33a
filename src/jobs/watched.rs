//! Stores and web application behind somebody who notes whether they answer.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value};

use crate::playbook::TenantId;
use crate::playbook::places::{BucketName, ObjectKey};
use crate::ports::{
    Announcements, Applied, CallError, Notice, ObjectStore, Outage, RecordChange, Records, RunSpec, StoreError,
};

/// A neighbour and what is known of its absence.
pub(super) struct Watched<T: ?Sized> {
    pub(super) inner: Box<T>,
    pub(super) outage: Outage,
}

impl<T: ?Sized> Watched<T> {
    fn watch<A: 'static, E: 'static>(
        &self,
        call: LocalBoxFuture<'static, Result<A, E>>,
        is_away: fn(&E) -> bool,
    ) -> LocalBoxFuture<'static, Result<A, E>> {
        let outage = self.outage.clone();
        call.inspect(
            move |result| if result.as_ref().is_err_and(is_away) { outage.goes_on() } else { outage.is_over() },
        )
        .boxed_local()
    }
}

fn store_is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

impl Records for Watched<dyn Records> {
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>> {
        self.watch(self.inner.apply(run, change), store_is_away)
    }

    fn put_parameters(
        &self,
        tenant: &TenantId,
        document: &Map<String, Value>,
    ) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        self.watch(self.inner.put_parameters(tenant, document), store_is_away)
    }
}

impl ObjectStore for Watched<dyn ObjectStore> {
    fn make_directory(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        self.watch(self.inner.make_directory(bucket, key), store_is_away)
    }

    fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        self.watch(self.inner.delete(bucket, key), store_is_away)
    }

    fn exists(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<bool, StoreError>> {
        self.watch(self.inner.exists(bucket, key), store_is_away)
    }

    fn list(
        &self,
        bucket: &BucketName,
        prefix: &ObjectKey,
    ) -> LocalBoxFuture<'static, Result<Vec<String>, StoreError>> {
        self.watch(self.inner.list(bucket, prefix), store_is_away)
    }
}

impl Announcements for Watched<dyn Announcements> {
    fn announce(&self, notice: &Notice, event_id: &str) -> LocalBoxFuture<'static, Result<(), CallError>> {
        self.watch(self.inner.announce(notice, event_id), |_| true)
    }
}
