//! Certificates by ACME (RFC 8555): obtained from a directory such as Let's Encrypt, kept in a
//! folder, renewed before they expire.
//!
//! Read in this order: [`Settings`], the `cache` on disk with the `pause` after a failure, the
//! `directory` and its `fault`s, an `order` with its `answers` to challenges and the `door` at which
//! they are asked for, and last the `renewal` that runs it all.

mod answers;
mod cache;
mod directory;
mod door;
mod fault;
mod order;
mod pause;
mod renewal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use self::fault::{Fault, Kind};

use self::answers::Answers;
use self::cache::Cache;
use self::directory::Directory;
use self::pause::Pause;
use crate::locks::{read, write};
use crate::tls::{Certificates, Facts, Identity, Renewal, TlsError, provider};

/// How certificates are obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The names that the certificate is for, as the DNS has them.
    pub domains: Vec<String>,
    /// URLs under which the directory finds us, such as `mailto:postmaster@example.org`.
    pub contact: Vec<String>,
    /// The URL of the directory.
    pub directory: String,
    /// The PEM file of the CA that has signed the directory's own certificate; none is the public
    /// ones.
    pub directory_ca: Option<PathBuf>,
    /// The folder for the account and the certificate.
    pub cache: PathBuf,
    /// How it is shown that the names are ours.
    pub challenge: Challenge,
}

/// How it is shown that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// By a certificate on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a file on port 80 (RFC 8555 section 8.3).
    Http01,
}

/// The certificate that is there, and all that is needed to get the next one.
pub struct Acme {
    settings: Settings,
    directory: Directory,
    cache: Cache,
    answers: Answers,
    identity: RwLock<Option<Identity>>,
    /// The pause that a program before this one has left.
    before: Option<Pause>,
    /// Attempts in a row that have failed.
    failures: AtomicU32,
}

impl Acme {
    /// Reads the CA of the directory, and the certificate in the cache if there is one. Asks nobody
    /// yet.
    pub fn new(settings: Settings) -> Result<Self, TlsError> {
        let directory = Directory::new(&settings.directory, settings.directory_ca.as_deref())?;
        let cache = Cache::new(&settings.cache, &settings.directory);
        let identity = match cache.certificate(&provider()) {
            Ok(identity) => identity,
            Err(error) => {
                log::error!(cause:% = error; "a certificate in the cache cannot be used, a new one will be obtained");
                None
            }
        };
        if let Some(Identity { facts, .. }) = &identity {
            log::info!(file:% = cache.certificate_file().display(), subject = facts.subject, names = facts.names.join(","), expires = facts.expires(), days = facts.days_left(); "certificate");
        }
        let before = cache.pause(&settings).unwrap_or_else(|error| {
            log::warn!(cause:% = error; "a pause in the cache cannot be used, the directory is asked at once");
            None
        });
        Ok(Self {
            failures: AtomicU32::new(before.as_ref().map_or(0, |it| it.failures)),
            before,
            settings,
            directory,
            cache,
            answers: Answers::default(),
            identity: RwLock::new(identity),
        })
    }

    /// What is written down of the certificate in the cache, if there is one.
    pub fn cached(&self) -> Option<Facts> {
        self.identity().map(|identity| identity.facts)
    }

    /// Why the directory is not asked yet, and until when, where attempts before a restart have failed.
    pub fn paused(&self) -> Option<String> {
        let pause = self.before.as_ref()?;
        (pause.next > renewal::now()).then(|| {
            let Pause { failures, next, .. } = pause;
            let file = self.cache.pause_file();
            format!(
                "attempts that failed: {failures}; the next one is at {}, restart or not; remove {} \
                 and start again to try at once",
                renewal::rfc3339(*next),
                file.display()
            )
        })
    }

    /// Whether the folder for account and certificate can be written to; it is made.
    pub fn prepare(&self) -> Result<(), TlsError> {
        self.cache.prepare()
    }

    /// Whether the directory answers.
    pub async fn find_directory(&self) -> Result<(), Fault> {
        self.directory.find().await.map(drop)
    }

    fn identity(&self) -> Option<Identity> {
        read(&self.identity).clone()
    }

    fn replace(&self, identity: Identity) {
        *write(&self.identity) = Some(identity);
    }
}

impl Certificates for Acme {
    fn is_ready(&self) -> bool {
        read(&self.identity).is_some()
    }

    fn renewal(&self) -> Option<Renewal> {
        Some(Renewal {
            due: self.cached().map(|facts| renewal::renewal(&facts)),
            failures: self.failures.load(Ordering::Relaxed),
        })
    }

    fn facts(&self) -> Vec<Facts> {
        self.cached().into_iter().collect()
    }

    /// There is nothing to look at: who renews it puts the new one in place.
    fn refresh(&self) {}
}

/// There is one certificate, for all names. That of a challenge is never shown here.
impl ResolvesServerCert for Acme {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identity = read(&self.identity);
        identity.as_ref().map(|identity| Arc::clone(&identity.key))
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
