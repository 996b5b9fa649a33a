//! The Python environment with the peer servers, made once per target directory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// What is installed; another version makes the environment anew.
const REQUIREMENTS: [&str; 4] = ["SecantusDB==0.7.0b3", "moto[server]==5.2.5", "minio==7.2.20", "schemathesis==4.32.5"];

/// Path of a program of the environment, which is made first if need be.
///
/// *Panics* when Python is missing or the packages cannot be installed: peers are never skipped.
pub fn program(name: &str) -> PathBuf {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(prepare).join("bin").join(name)
}

fn prepare() -> PathBuf {
    let target = crate::target();
    let (venv, wanted) = (target.join("peers-venv"), REQUIREMENTS.join("\n"));
    let lock = File::create(target.join("peers-venv.lock")).expect("target can be written");
    lock.lock().expect("the lock of the Python environment");
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return venv;
    }
    drop(fs::remove_dir_all(&venv));
    run(
        Command::new("python3").args(["-m", "venv"]).arg(&venv),
        "install Python 3.9 or later with its venv module (Debian: apt-get install python3 python3-venv)",
    );
    run(
        Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(REQUIREMENTS),
        "the package index must be reachable once, for the MongoDB and S3 servers of the tests",
    );
    fs::write(&stamp, wanted).expect("target can be written");
    venv
}

fn run(command: &mut Command, hint: &str) {
    let said = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; {hint}"));
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{command:?} ended with {}; {hint}\n{errors}", said.status);
}
