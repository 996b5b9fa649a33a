//! The pages for browsers: there without a token, and nothing in them comes from elsewhere.

use super::{refused, server};

#[test]
fn the_pages_are_there_for_everybody_and_bound_to_this_server() {
    for path in ["/ui", "/ui/", "/ui/index.html"] {
        let page = server().get(path);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(page.header("content-security-policy").starts_with("default-src 'self';"), "{page:?}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(page.text.contains("/ui/app.js"), "{page:?}");
    }
    for (part, content_type) in [("app.js", "text/javascript; charset=utf-8"), ("style.css", "text/css; charset=utf-8")]
    {
        let part = server().get(&format!("/ui/{part}"));
        assert_eq!((part.status, part.header("content-type")), (200, content_type));
    }
    for nothing in ["/ui/other.js", "/ui/../Cargo.toml", "/ui/app.js/x"] {
        refused(&server().get(nothing), 404, "route");
    }
}

/// Budget: 60 KB compressed; what is not compressed is three times that at most.
#[test]
fn the_pages_are_small() {
    let parts = ["index.html", "style.css", "icon.svg", "app.js", "api.js", "parts.js", "run.js", "graph.js"];
    let bytes: usize = parts.iter().map(|part| server().get(&format!("/ui/{part}")).text.len()).sum();
    assert!((10_000..120_000).contains(&bytes), "{bytes}");
}
