//! HTTPS: over real TLS sockets, with certificates that change while the server runs.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use dummy_services::Script;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;

use super::tenants::{entry, token};
use crate::peers::{BINARY, Folder, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

/// An authority whose certificate is `ca.pem` of a folder.
struct Authority {
    folder: Folder,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let key = KeyPair::generate().unwrap();
        let folder = Folder::new("tls");
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate for this name, and its key, over those of before.
    fn certify(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path("server.pem"), certificate.pem()).unwrap();
        fs::write(self.path("server.key"), key.serialize_pem()).unwrap();
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    fn serve(&self) -> Stack {
        let tokens = json!({"tokens": [entry("ops", json!("all"), &["admin"])]});
        fs::write(self.path("tokens.json"), tokens.to_string()).unwrap();
        let files = ["server.pem", "server.key", "tokens.json"].map(|file| self.path(file));
        let variables = [
            ("TLS_CERTIFICATE", files[0].as_str()),
            ("TLS_KEY", files[1].as_str()),
            ("TOKENS_FILE", files[2].as_str()),
            ("HOST", "0.0.0.0"),
        ];
        Stack::answering(Stores::Embedded, Script::default(), &variables)
    }
}

fn port(stack: &Stack) -> u16 {
    stack.orchestrator.server.address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap()
}

/// One request to the server under a name, trusting an authority: the status, or why there was no connection.
fn get(stack: &Stack, name: &str, authority: &Path) -> Result<String, String> {
    let config = orchestrator::adapters::tls::client_config(Some(authority)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port(stack))).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let bearer = token("ops");
    let request = format!(
        "GET /api/v1/analyses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\nConnection: close\r\n\r\n"
    );
    let mut answer = Vec::new();
    std::io::Write::write_all(&mut stream, request.as_bytes()).map_err(|error| error.to_string())?;
    std::io::Read::read_to_end(&mut stream, &mut answer).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[test]
fn https_is_spoken_and_a_new_certificate_is_shown_when_the_process_is_told_to() {
    let authority = Authority::new();
    authority.certify("first.example");
    let mut stack = authority.serve();
    let ca = authority.folder.path().join("ca.pem");
    assert_eq!(get(&stack, "first.example", &ca).as_deref(), Ok("HTTP/1.1 200 OK"));
    assert!(get(&stack, "second.example", &ca).unwrap_err().contains("certificate"));
    let stranger = Authority::new();
    assert!(get(&stack, "first.example", &stranger.folder.path().join("ca.pem")).unwrap_err().contains("certificate"));

    fs::write(authority.path("server.key"), "no key").unwrap();
    stack.orchestrator.hang_up();
    wait_for("the bad key is told of", PATIENCE, || {
        stack.orchestrator.said().contains("the certificate of before is still shown").then_some(())
    });
    assert_eq!(get(&stack, "first.example", &ca).as_deref(), Ok("HTTP/1.1 200 OK"));

    authority.certify("second.example");
    stack.orchestrator.hang_up();
    wait_for("the new certificate is read", PATIENCE, || {
        stack.orchestrator.said().contains("the certificate has been read again").then_some(())
    });
    assert_eq!(get(&stack, "second.example", &ca).as_deref(), Ok("HTTP/1.1 200 OK"));
    assert!(get(&stack, "first.example", &ca).is_err());
    let said = stack.orchestrator.said();
    assert!(!said.contains("plain HTTP") && said.contains("listening on https://"), "{said}");
    // plain words are no TLS
    let mut plain = stack.orchestrator.server.connect();
    plain.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(plain.hear_if_any().is_none());
}

#[test]
fn the_commands_speak_https_to_whom_they_are_told_to_trust() {
    let authority = Authority::new();
    authority.certify("first.example");
    let stack = authority.serve();
    let file = authority.path("playbook.json");
    fs::write(&file, super::playbook("By-Https").to_string()).unwrap();
    let (server, ca) = (format!("https://127.0.0.1:{}", port(&stack)), authority.path("ca.pem"));
    let submit = |more: &[&str]| {
        let token = token("ops");
        let arguments = ["submit", file.as_str(), "--watch", "--server", server.as_str(), "--token", token.as_str()];
        Command::new(BINARY).args(arguments).args(more).env_clear().output().unwrap()
    };
    let trusting = submit(&["--ca-file", &ca]);
    assert_eq!(trusting.status.code(), Some(0), "{}", String::from_utf8_lossy(&trusting.stderr));
    let unknown = submit(&[]);
    assert_eq!(unknown.status.code(), Some(5), "{}", String::from_utf8_lossy(&unknown.stderr));
    let no_authority = submit(&["--ca-file", &file]);
    assert_eq!(no_authority.status.code(), Some(2), "{}", String::from_utf8_lossy(&no_authority.stderr));
    assert!(String::from_utf8_lossy(&no_authority.stderr).contains("--ca-file"));
}
