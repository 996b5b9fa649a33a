//! The API under `/api/v1`: every route wants `Authorization: Bearer <token>`, except callbacks, whose secret is in their
//! address. One file per resource.

mod callbacks;
mod list;
mod lookup;
mod playbooks;
mod rerun;
mod run;
mod submit;
mod validate;
mod verbs;

use actix_web::web;

pub use playbooks::PlaybookCache;

use super::spaces::{SPACES, collection};
use super::takes_only;

/// Every route of the API. Analyses and ingestions have the same shape in separate id spaces.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    for space in SPACES {
        let collection = format!("/{}", collection(space));
        config
            .service(
                web::resource(&collection)
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
        let verbs = [
            ("cancel", web::post().to(verbs::cancel)),
            ("pause", web::post().to(verbs::pause)),
            ("resume", web::post().to(verbs::resume)),
            ("rerun", web::post().to(rerun::rerun)),
        ];
        for (verb, route) in verbs {
            config.service(
                web::resource(format!("{collection}/{{id}}/{verb}"))
                    .app_data(web::Data::new(space))
                    .route(route)
                    .default_service(takes_only("POST")),
            );
        }
    }
    config
        .service(
            web::resource("/validate").route(web::post().to(validate::validate)).default_service(takes_only("POST")),
        )
        .service(
            web::resource("/playbook.schema.json")
                .route(web::get().to(validate::schema))
                .default_service(takes_only("GET")),
        );
    config.service(
        web::resource("/callbacks/{secret}").route(web::post().to(callbacks::take)).default_service(takes_only("POST")),
    );
    config.default_service(web::to(super::error::no_such_route));
}
