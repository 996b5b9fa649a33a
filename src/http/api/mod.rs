//! The API under `/api/v1`: every route wants `Authorization: Bearer <token>`, except callbacks, whose secret is in their
//! address. One file per resource.

mod callbacks;
mod list;
mod playbooks;
mod run;
mod submit;

use actix_web::web;

pub use playbooks::PlaybookCache;

use super::takes_only;
use crate::playbook::Space;

/// Every route of the API. Analyses and ingestions have the same shape in separate id spaces.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    for (space, collection) in [(Space::Analysis, "/analyses"), (Space::Ingestion, "/ingestions")] {
        config
            .service(
                web::resource(collection)
                    .app_data(web::Data::new(space))
                    .route(web::get().to(list::list))
                    .route(web::post().to(submit::submit))
                    .default_service(takes_only("GET, POST")),
            )
            .service(
                web::resource(format!("{collection}/{{id}}"))
                    .app_data(web::Data::new(space))
                    .route(web::get().to(run::run))
                    .default_service(takes_only("GET")),
            );
    }
    config.service(
        web::resource("/callbacks/{secret}").route(web::post().to(callbacks::take)).default_service(takes_only("POST")),
    );
    config.default_service(web::to(super::error::no_such_route));
}
