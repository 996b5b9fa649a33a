//! The API under `/api/v1`: every route wants `Authorization: Bearer <token>`, except callbacks, whose secret is in their
//! address. One file per resource.

mod all_events;
mod callbacks;
mod events;
mod job;
mod list;
mod live;
mod lookup;
mod playbooks;
mod projection;
mod rerun;
mod run;
mod submit;
mod tenants;
mod validate;
mod verbs;
mod view;
mod why;

use actix_web::http::Method;

pub(super) use list::STATES;
pub use playbooks::PlaybookCache;

use super::routes::{Row, Wants};
use crate::access::Role;

/// Every route of the API. Analyses and ingestions have the same shape in separate id spaces.
pub(super) fn rows() -> Vec<Row> {
    use Wants::{SecretInPath, Token};
    vec![
        Row::new(Method::GET, "/api/v1/{runs}", Token(Role::Read), |route| route.to(list::list)),
        Row::new(Method::POST, "/api/v1/{runs}", Token(Role::Submit), |route| route.to(submit::submit)),
        Row::new(Method::GET, "/api/v1/{runs}/{id}", Token(Role::Read), |route| route.to(run::run)),
        Row::new(Method::GET, "/api/v1/{runs}/{id}/events", Token(Role::Read), |route| route.to(events::events)),
        Row::new(Method::GET, "/api/v1/{runs}/{id}/jobs/{step}", Token(Role::Read), |route| route.to(job::job)),
        Row::new(Method::GET, "/api/v1/{runs}/{id}/jobs/{step}/why", Token(Role::Read), |route| route.to(why::why)),
        Row::new(Method::GET, "/api/v1/{runs}/{id}/view", Token(Role::Read), |route| route.to(view::view)),
        Row::new(Method::POST, "/api/v1/{runs}/{id}/cancel", Token(Role::Operate), |route| route.to(verbs::cancel)),
        Row::new(Method::POST, "/api/v1/{runs}/{id}/pause", Token(Role::Operate), |route| route.to(verbs::pause)),
        Row::new(Method::POST, "/api/v1/{runs}/{id}/resume", Token(Role::Operate), |route| route.to(verbs::resume)),
        Row::new(Method::POST, "/api/v1/{runs}/{id}/rerun", Token(Role::Operate), |route| route.to(rerun::rerun)),
        Row::new(Method::GET, "/api/v1/events", Token(Role::Read), |route| route.to(all_events::events)),
        Row::new(Method::GET, "/api/v1/tenants", Token(Role::Read), |route| route.to(tenants::tenants)),
        Row::new(Method::POST, "/api/v1/validate", Token(Role::Submit), |route| route.to(validate::validate)),
        Row::new(Method::GET, "/api/v1/playbook.schema.json", Token(Role::Read), |route| route.to(validate::schema)),
        Row::new(Method::POST, "/api/v1/callbacks/{secret}", SecretInPath, |route| route.to(callbacks::take)),
    ]
}
