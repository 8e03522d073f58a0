//! A directory, and how it is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_acme::acme::{self, AcmeError};
use smol::Timer;
use smol::future::or;

use super::fault::{Fault, Kind};
use crate::tls::{TlsError, certificates, provider};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often another nonce is tried. A directory forgets nonces when it is restarted, and Pebble
/// refuses good ones on purpose; more is no accident.
const NONCES: u32 = 20;

/// A directory.
pub(super) struct Directory {
    url: String,
    pub tls: Arc<ClientConfig>,
}

impl Directory {
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self, TlsError> {
        let roots = match ca {
            Some(ca) => roots(ca)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new("TLS".as_ref(), error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            url: url.to_owned(),
            tls: Arc::new(config),
        })
    }

    /// What it offers.
    pub async fn find(&self) -> Result<acme::Directory, Fault> {
        let step = format!("the directory {}", self.url);
        self.ask(&step, || acme::Directory::discover(&self.tls, &self.url))
            .await
    }

    /// Asks until the nonce is a good one; an error is told with the `step` it was.
    pub async fn ask<T, F>(&self, step: &str, request: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, AcmeError>>,
    {
        let mut nonces = 0;
        loop {
            let asked = async { request().await.map_err(|error| Fault::of(step, &error)) };
            let silence = async {
                Timer::after(PATIENCE).await;
                let said = format!("{step}: no answer within {} s", PATIENCE.as_secs());
                Err(Fault::new(Kind::Unreachable, said))
            };
            nonces += 1;
            match or(asked, silence).await {
                Err(fault) if fault.kind == Kind::Nonce && nonces < NONCES => {}
                outcome => return outcome,
            }
        }
    }
}

fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| {
            let problem = format!("holds a certificate that is no CA ({error}); write that of the CA which has signed the directory's certificate");
            TlsError::new(ca, problem)
        })?;
    }
    Ok(roots)
}
