//! TLS, for workers that have a certificate.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    },
};

/// A certificate and its key, ready to serve with.
#[derive(Clone)]
pub struct Tls(pub(super) TlsAcceptor);

/// Why the worker cannot serve TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {expected} in PEM: {source}", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("the certificate {} cannot be used with this key: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a chain of certificates, the worker's own first, and the key of that one, both as PEM.
    ///
    /// # Errors
    ///
    /// If the files are not what they should be.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::Unreadable {
                path: path.into(),
                source,
            })
        };
        let not_pem = |path: &Path, expected| {
            let path = path.into();
            move |source| TlsError::NotPem {
                path,
                expected,
                source,
            }
        };
        let chain = read(certificate)?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(not_pem(certificate, "certificate"))?;
        let secret = PrivateKeyDer::from_pem_slice(&read(key)?);
        let secret = secret.map_err(not_pem(key, "key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, secret)
            })
            .map_err(|source| TlsError::Unusable {
                path: certificate.into(),
                source,
            })?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
