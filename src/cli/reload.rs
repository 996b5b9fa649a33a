//! Files that are read again when the process is asked to (SIGHUP): the tokens, the limits, and the server's certificate.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::{Exit, Failure};
use crate::access::{Access, Keyring, tokens};
use crate::adapters::tls::ServerCertificate;
use crate::config::Config;
use crate::engine::{EngineHandle, EngineLimits};

/// What can be read again while the server runs.
#[derive(Clone)]
pub(super) struct Reloadable {
    /// Who may come in.
    pub(super) access: Arc<Access>,
    /// What everybody may use.
    pub(super) limits: Arc<watch::Sender<EngineLimits>>,
    /// What the server shows, if it speaks TLS.
    pub(super) certificate: Option<Arc<ServerCertificate>>,
}

impl Reloadable {
    /// Reads everything for the first time.
    ///
    /// *Errors*: a file cannot be read or used; the text says what to write.
    pub(super) fn read(config: &Config) -> Result<Self, Failure> {
        let access = Arc::new(Access::new(read_keyring(config)?));
        let limits = config.limits_now().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let limits = Arc::new(watch::Sender::new(limits));
        let certificate = config.tls.clone().map(ServerCertificate::read).transpose();
        let certificate = certificate.map_err(|error| {
            Failure::new(Exit::Usage, format!("TLS_CERTIFICATE and TLS_KEY cannot be used: {error}"))
        })?;
        Ok(Self { access, limits, certificate })
    }

    /// What cannot be used changes nothing: nobody is locked out by a slip of the pen.
    fn read_again(&self, config: &Config, engine: &EngineHandle) {
        match read_keyring(config) {
            Ok(keyring) => {
                log::info!("told to read the tokens again: {} are valid now", keyring.len());
                self.access.replace(keyring);
            }
            Err(failure) => {
                log::error!("told to read the tokens again, but those of before stay valid: {}", failure.text);
            }
        }
        match config.limits_now() {
            Ok(limits) => {
                log::info!("told to read the limits again: they count from now on");
                engine.set_limits(limits.clone());
                self.limits.send_replace(limits);
            }
            Err(error) => log::error!("told to read the limits again, but those of before stay: {error}"),
        }
        match self.certificate.as_ref().map(|certificate| certificate.reload()) {
            Some(Ok(())) => log::info!("the certificate has been read again"),
            Some(Err(error)) => log::error!("the certificate of before is still shown: {error}"),
            None => {}
        }
    }
}

/// The tokens that are valid according to the configuration.
fn read_keyring(config: &Config) -> Result<Keyring, Failure> {
    let keyring = match &config.tokens_file {
        Some(file) => {
            warn_of_other_writers(file);
            read_file(file)?
        }
        None => Keyring::default(),
    };
    if !config.takes_shared_key() {
        return Ok(keyring);
    }
    let keyring = keyring.with_shared_key(config.key.reveal());
    Ok(match &config.key_previous {
        Some(key) => keyring.with_shared_key(key.reveal()),
        None => keyring,
    })
}

/// Who can write the file lets in whom he likes.
fn warn_of_other_writers(file: &Path) {
    const GROUP_AND_OTHERS_WRITE: u32 = 0o022;
    if file.metadata().is_ok_and(|file| file.permissions().mode() & GROUP_AND_OTHERS_WRITE != 0) {
        log::warn!("{} can be written by others than its owner", file.display());
    }
}

/// The tokens of a file.
pub(super) fn read_file(file: &Path) -> Result<Keyring, Failure> {
    let unusable =
        |why: String| Failure::new(Exit::Usage, format!("the token file {} cannot be used:\n{why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(format!("  {error}")))?;
    tokens::parse(&text).map_err(|error| unusable(error.to_string()))
}

/// SIGHUP, from the moment this was made on.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Has to be called inside an actix system.
    pub(super) fn listen() -> Result<Self, Failure> {
        let cannot = |error| Failure::new(Exit::Failed, format!("signals cannot be heard: {error}"));
        signal(SignalKind::hangup()).map(Self).map_err(cannot)
    }

    /// From now on each signal reads the files again.
    pub(super) fn reload(mut self, config: &Config, reloadable: &Reloadable, engine: &EngineHandle) {
        let (config, reloadable, engine) = (config.clone(), reloadable.clone(), engine.clone());
        actix_web::rt::spawn(async move {
            while self.0.recv().await.is_some() {
                let (config, reloadable, engine) = (config.clone(), reloadable.clone(), engine.clone());
                let read = actix_web::web::block(move || reloadable.read_again(&config, &engine));
                if read.await.is_err() {
                    log::error!("told to read files again, but the process is about to stop");
                }
            }
        });
    }
}
