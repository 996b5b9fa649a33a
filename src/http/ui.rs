//! `/ui`: the pages for browsers, embedded; hand-written, no part of them is fetched from elsewhere.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::no_such_route;

/// Nothing but what comes from here runs in the page, and nobody else may frame it.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Name, content type, content.
type File = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX: File = ("index.html", "text/html; charset=utf-8", include_str!("ui/index.html"));

const FILES: &[File] = &[
    INDEX,
    ("style.css", "text/css; charset=utf-8", include_str!("ui/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("ui/icon.svg")),
    ("app.js", SCRIPT, include_str!("ui/app.js")),
    ("api.js", SCRIPT, include_str!("ui/api.js")),
    ("parts.js", SCRIPT, include_str!("ui/parts.js")),
    ("run.js", SCRIPT, include_str!("ui/run.js")),
    ("graph.js", SCRIPT, include_str!("ui/graph.js")),
];

/// The page.
pub(super) async fn index() -> HttpResponse {
    answer(&INDEX)
}

/// A part of it.
pub(super) async fn file(request: HttpRequest, name: web::Path<String>) -> HttpResponse {
    match FILES.iter().find(|(known, ..)| *known == name.as_str()) {
        Some(file) => answer(file),
        None if name.is_empty() => answer(&INDEX),
        None => no_such_route(request).await,
    }
}

fn answer((_, content_type, content): &File) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(*content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(*content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement: nothing is fetched from elsewhere, and every part that is named is there.
    #[test]
    fn every_part_that_is_named_is_embedded_and_nothing_else_is() {
        for (name, _, content) in FILES {
            for quoted in content.split(['"', '`']).filter(|text| text.starts_with("/ui/") || text.starts_with("./")) {
                let part = quoted.rsplit('/').next().unwrap_or_default();
                assert!(FILES.iter().any(|(known, ..)| *known == part), "{name} names {quoted}");
            }
            let elsewhere = content.matches("://").count() - content.matches("http://www.w3.org/").count();
            assert_eq!(elsewhere, 0, "{name} names another server");
            assert!(!content.contains("innerHTML") && !content.contains("eval("), "{name} could read data as markup");
        }
    }
}
