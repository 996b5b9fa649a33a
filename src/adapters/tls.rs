//! TLS: the server's certificate, which may change while it runs, and whom a client trusts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

/// What is spoken inside: HTTP/2 is not.
const PROTOCOL: &[u8] = b"http/1.1";

/// PEM files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, followed by those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why TLS cannot be spoken.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{}: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The files are fine, but not together.
    #[error("the certificate and the key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate that the server shows at the moment.
#[derive(Debug)]
pub struct ServerCertificate {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// Reads it.
    ///
    /// # Errors
    /// The files cannot be read, or do not belong together.
    pub fn read(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(Arc::new(read_pair(&files)?));
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads it again: connections from now on see the new one, those that stand go on with the old one.
    ///
    /// # Errors
    /// As of [`Self::read`]; the old one stays then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(read_pair(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// What a server needs to show it.
    ///
    /// # Errors
    /// None that a build with these ciphers has.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What a client needs to speak to servers with certificates of one authority, or of the well-known ones.
///
/// # Errors
/// The file has no certificates.
pub fn client_config(authority: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut trusted = RootCertStore::empty();
    match authority {
        Some(file) => {
            for certificate in read_certificates(file)? {
                trusted.add(certificate).map_err(|error| unusable(file, error))?;
            }
        }
        None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read_pair(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let certificates = read_certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, error))?;
    Ok(CertifiedKey::from_der(certificates, key, &provider())?)
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(file, error))?;
    if certificates.is_empty() {
        return Err(unusable(file, "there is no certificate in it; it has to be PEM"));
    }
    Ok(certificates)
}

fn unusable(file: &Path, why: impl ToString) -> TlsError {
    TlsError::File { file: file.to_owned(), why: why.to_string() }
}
