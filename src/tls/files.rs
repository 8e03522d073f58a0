//! Certificates from files, chosen by the name that a client asks for (RFC 6066 section 3), and read
//! again when the files change.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pem::{Identity, Pair};
use super::{Facts, TlsError};
use crate::locks::{lock, read, write};
use crate::stamp::Stamp;

/// How often it is told that a certificate expires.
const TELL_EVERY: Duration = Duration::from_hours(24);
/// How many days before that it is told.
const SOON: i64 = 14;

/// Where certificates come from.
pub trait Certificates: ResolvesServerCert {
    /// Whether there is one at all. Without one, STARTTLS is answered with 454.
    fn is_ready(&self) -> bool;
    /// What they say, the one for unknown names first.
    fn facts(&self) -> Vec<Facts>;
    /// How it stands with the next one, where it is obtained by itself.
    fn renewal(&self) -> Option<Renewal> {
        None
    }
    /// Looks whether there are newer ones, and says in the log what became of that. May block.
    fn refresh(&self);
}

/// How it stands with a certificate that is obtained by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the one that is there is due to be renewed, in seconds since 1970; none where there is
    /// none yet.
    pub due: Option<i64>,
    /// Attempts to obtain one that have failed, in a row.
    pub failures: u32,
}

/// Certificates from PEM files. The first is used for names that none is for.
#[derive(Debug)]
pub struct Files {
    pairs: Vec<Pair>,
    provider: Arc<CryptoProvider>,
    identities: RwLock<Vec<Identity>>,
    seen: Mutex<Vec<Seen>>,
}

/// What was last seen of a pair.
#[derive(Debug)]
struct Seen {
    stamp: Stamps,
    /// They have changed so lately that they may be half written, or one of them replaced.
    is_unsettled: bool,
    is_fault_told: bool,
    expiry_told: Option<Instant>,
}

/// Those of some files; none for one that cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    pub fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let stamp = |file: &Path| fs::metadata(file).ok().map(|file| Stamp::of(&file));
        Self(files.into_iter().map(stamp).collect())
    }
}

impl Pair {
    fn stamp(&self) -> Stamps {
        Stamps::of([&*self.certificate, &*self.key])
    }
}

impl Files {
    /// Reads them all; each must be sound.
    pub fn load(pairs: Vec<Pair>, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut seen = Vec::new();
        let mut identities = Vec::new();
        for pair in &pairs {
            let stamp = pair.stamp();
            let identity = pair.load(provider)?;
            told(pair, &identity.facts);
            identities.push(identity);
            seen.push(Seen {
                stamp,
                is_unsettled: true,
                is_fault_told: false,
                expiry_told: None,
            });
        }
        Ok(Self {
            pairs,
            provider: Arc::clone(provider),
            identities: RwLock::new(identities),
            seen: Mutex::new(seen),
        })
    }

    fn identities(&self) -> Vec<Identity> {
        read(&self.identities).clone()
    }

    fn replace(&self, index: usize, identity: Identity) {
        let mut identities = write(&self.identities);
        if let Some(old) = identities.get_mut(index) {
            *old = identity;
        }
    }

    /// Reads a pair again if it has changed. Of two files that are replaced one after the other,
    /// the first change is a pair that does not match: it is complained about only when it has
    /// stayed so.
    fn look(&self, index: usize, seen: &mut Seen, old: &Identity) {
        let pair = &self.pairs[index];
        let stamp = pair.stamp();
        let has_changed = stamp != seen.stamp;
        if !has_changed && !seen.is_unsettled {
            return;
        }
        seen.is_unsettled = has_changed;
        seen.is_fault_told &= !has_changed;
        seen.stamp = stamp;
        match pair.load(&self.provider) {
            Ok(identity) if identity.facts != old.facts || identity.key.cert != old.key.cert => {
                told(pair, &identity.facts);
                seen.expiry_told = None;
                self.replace(index, identity);
            }
            Err(error) if !seen.is_unsettled && !seen.is_fault_told => {
                seen.is_fault_told = true;
                log::error!(cause:% = error, kept = old.facts.subject, expires = old.facts.expires(); "a certificate cannot be read again, the old one is kept");
            }
            Ok(_) | Err(_) => {}
        }
    }
}

impl Certificates for Files {
    fn is_ready(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn facts(&self) -> Vec<Facts> {
        let identities = self.identities();
        identities.into_iter().map(|it| it.facts).collect()
    }

    fn refresh(&self) {
        let mut all_seen = lock(&self.seen);
        for (index, seen) in all_seen.iter_mut().enumerate() {
            let identity = self.identities().swap_remove(index);
            self.look(index, seen, &identity);
            let facts = self.identities().swap_remove(index).facts;
            let is_due = seen.expiry_told.is_none_or(|it| it.elapsed() >= TELL_EVERY);
            if is_due && facts.days_left() < SOON {
                seen.expiry_told = Some(Instant::now());
                expires_soon(&self.pairs[index], &facts);
            }
        }
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identities = read(&self.identities);
        let name = hello.server_name().unwrap_or_default();
        let schemes = hello.signature_schemes();
        let fits = |it: &&Identity| it.key.key.choose_scheme(schemes).is_some();
        let named = |it: &&Identity| it.facts.covers(name) && fits(it);
        // Two certificates of one name are one with RSA and one without, and clients that know one of them.
        let found = identities.iter().find(named);
        let found = found.or_else(|| identities.iter().find(fits));
        found.or(identities.first()).map(|it| Arc::clone(&it.key))
    }
}

fn told(pair: &Pair, facts: &Facts) {
    log::info!(
        file:% = pair.certificate.display(),
        subject = facts.subject,
        names = facts.names.join(","),
        expires = facts.expires(),
        days = facts.days_left();
        "certificate"
    );
}

fn expires_soon(pair: &Pair, facts: &Facts) {
    let (file, days) = (pair.certificate.display(), facts.days_left());
    let expires = facts.expires();
    if days < 0 {
        log::error!(file:% = file, subject = facts.subject, expires = expires; "a certificate has expired");
    } else {
        log::warn!(file:% = file, subject = facts.subject, expires = expires, days = days; "a certificate expires soon");
    }
}
