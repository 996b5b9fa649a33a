//! The embedded object store as the platform's own services use it: through Python's `minio`, over the network.

use std::path::Path;
use std::process::Command;

use dummy_services::Script;

use super::{Stack, Stores};
use crate::peers::program;

#[test]
fn the_clients_of_the_services_can_work_with_the_embedded_objects() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stack/minio.py");
    let said = Command::new(program("python"))
        // isolated: or the script would import itself
        .arg("-I")
        .arg(script)
        .arg(format!("127.0.0.1:{}", stack.objects.port))
        .output()
        .expect("Python can be started");
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{text}");
    assert!(text.trim_end().ends_with("all is well"), "{text}");
}
