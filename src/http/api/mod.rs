//! The API under `/api/v1`: every route wants `Authorization: Bearer <token>`. One file per resource.

mod asked;
mod list;
mod playbooks;
mod rerun;
mod run;
mod submit;
mod verbs;

use actix_web::web;

pub use playbooks::PlaybookCache;

use super::takes_only;
use crate::engine::messages::Verb;
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
            )
            .service(
                web::resource(format!("{collection}/{{id}}/rerun"))
                    .app_data(web::Data::new(space))
                    .route(web::post().to(rerun::rerun))
                    .default_service(takes_only("POST")),
            );
        for (word, verb) in [("cancel", Verb::Cancel), ("pause", Verb::Pause), ("resume", Verb::Resume)] {
            config.service(
                web::resource(format!("{collection}/{{id}}/{word}"))
                    .app_data(web::Data::new(space))
                    .app_data(web::Data::new(verb))
                    .route(web::post().to(verbs::steer))
                    .default_service(takes_only("POST")),
            );
        }
    }
    config.default_service(web::to(super::error::no_such_route));
}
