//! What is wrong before anybody looks at a document: routes, methods, content types, sizes, slow and broken requests.

use std::time::Duration;

use super::{door, playbook, refused, server};
use crate::peers::{KEY, wait_for};

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn other_methods_are_told_which_one_works() {
    for path in ["/analysis", "/ingestion"] {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = server().ask(method, path, &[JSON], "");
            refused(&answer, 405, "method");
            assert_eq!(answer.header("allow"), "POST");
        }
    }
}

#[test]
fn other_paths_are_not_found() {
    let paths = [
        "/Analysis",
        "//analysis",
        "/analysis/",
        "/analysis/configs",
        "/ingestion/",
        "/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/x",
        "/api/v2/analyses",
        "/%61nalysis/x",
    ];
    for path in paths {
        let answer = server().post(path, &playbook("never").to_string());
        refused(&answer, 404, "route");
    }
    let answer = server().get("/<script>alert(1)</script>%0d%0aX: y");
    assert!(!answer.text.contains('\n') && answer.header("x").is_empty(), "{answer:?}");
}

#[test]
fn the_body_must_be_json_by_its_header() {
    let body = playbook("never").to_string();
    for path in ["/analysis", "/ingestion", "/api/v1/analyses"] {
        let token = ("Authorization", format!("Bearer {KEY}"));
        let ask = |content_type: Option<&str>, more: &[(&str, &str)]| {
            let mut headers: Vec<(&str, &str)> = vec![(token.0, &token.1)];
            headers.extend(content_type.map(|content_type| ("Content-Type", content_type)));
            headers.extend(more);
            server().ask("POST", path, &headers, &body)
        };
        for wrong in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data"),
            Some("nonsense"),
            Some("text/json"),
        ] {
            refused(&ask(wrong, &[]), 415, "json-required");
        }
        refused(&ask(Some("application/json; charset=utf-16"), &[]), 415, "utf8-only");
        refused(&ask(Some("application/json; charset=latin1"), &[]), 415, "utf8-only");
        for encoding in ["gzip", "br", "deflate", "x"] {
            refused(&ask(Some("application/json"), &[("Content-Encoding", encoding)]), 415, "encoding");
        }
    }
}

#[test]
fn json_by_any_of_its_names_is_taken() {
    for (number, content_type) in [
        "application/json; charset=UTF-8",
        "application/json;charset=utf-8",
        "application/diastema+json",
        "Application/JSON",
    ]
    .iter()
    .enumerate()
    {
        let body = playbook(&format!("Types-{number}")).to_string();
        let answer = server().ask("POST", "/analysis", &[("Content-Type", content_type)], &body);
        assert_eq!(answer.status, 202, "{content_type}: {answer:?}");
    }
}

#[test]
fn a_declared_size_over_the_limit_is_refused_before_the_body_comes() {
    let mut connection = server().connect();
    connection.say(
        b"POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8388609\r\n\r\n",
    );
    refused(&connection.hear(), 413, "too-large");
    let mut connection = server().connect();
    connection.say(b"POST /ingestion HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999999\r\n\r\n");
    refused(&connection.hear(), 413, "too-large");
}

#[test]
fn an_undeclared_size_over_the_limit_is_refused_while_reading() {
    let mut connection = server().connect();
    connection.say(
        b"POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    (0..128).for_each(|_| connection.say(&chunk));
    connection.say(b"1\r\n \r\n");
    refused(&connection.hear(), 413, "too-large");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    for more in ["", "Expect: 100-continue\r\n"] {
        let mut connection = server().connect();
        let head = format!(
            "POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}Content-Length: 100\r\n\r\n"
        );
        connection.say(head.as_bytes());
        if more.is_empty() {
            connection.say(b"{\"a\":");
        }
        let mut answer = connection.hear();
        if answer.status == 100 {
            answer = connection.hear();
        }
        refused(&answer, 408, "body-timeout");
    }
}

#[test]
fn a_body_byte_by_byte_is_not_waited_for() {
    let mut connection = server().connect();
    connection
        .say(b"POST /ingestion HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..6 {
        connection.say(b" ");
        wait(Duration::from_millis(250));
    }
    refused(&connection.hear(), 408, "body-timeout");
}

#[test]
fn a_head_that_never_ends_is_closed() {
    let mut connection = server().connect();
    connection.say(b"POST /analysis HTTP/1.1\r\nHost: x\r\n");
    assert_eq!(connection.hear().status, 408);
    assert!(connection.is_closed());
}

#[test]
fn ambiguous_framing_is_refused() {
    let body = playbook("Framing").to_string();
    let length = body.len();
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
    ] {
        let mut connection = server().connect();
        let request =
            format!("POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n{body}");
        connection.say(request.as_bytes());
        let answer = connection.hear();
        assert!((400..500).contains(&answer.status), "{framing}: {answer:?}");
        assert_ne!(door().orchestrator.server.get_with("/api/v1/analyses/framing", KEY).status, 200, "{framing}");
    }
}

#[test]
fn too_many_or_too_large_headers_are_refused() {
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "y".repeat(200_000));
    for headers in [many, large] {
        let mut connection = server().connect();
        connection.say(format!("POST /analysis HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes());
        let answer = connection.hear();
        assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let body = playbook("Gone").to_string();
    for _ in 0..20 {
        let mut connection = server().connect();
        let head = format!(
            "POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.say(head.as_bytes());
        connection.say(&body.as_bytes()[..body.len() / 2]);
    }
    assert_eq!(server().get("/health").status, 200);
    assert_eq!(server().get_with("/api/v1/analyses/gone", KEY).status, 404);
}

#[test]
fn requests_behind_each_other_are_judged_each_for_itself() {
    let mut connection = server().connect();
    let mut all = String::new();
    for number in 0..100 {
        let mut document = playbook(&format!("Pipe-{number}"));
        if number % 2 == 1 {
            document["diastema-token"] = "wrong".into();
        }
        let body = document.to_string();
        let length = body.len();
        all.push_str(&format!("POST /analysis HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"));
    }
    connection.say(all.as_bytes());
    for number in 0..100 {
        let expected = if number % 2 == 1 { 401 } else { 202 };
        assert_eq!(connection.hear().status, expected, "request {number}");
    }
}

fn wait(time: Duration) {
    let until = std::time::Instant::now() + time;
    wait_for("time passes", time * 20, || (std::time::Instant::now() >= until).then_some(()));
}
