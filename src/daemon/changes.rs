//! What a reload has changed, and why one was refused.

use std::fmt;

use super::StartError;
use crate::config::Config;
use crate::server::Address;

/// What a reload has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Which configuration this is, counted from 1, the one of the start.
    pub generation: u64,
    /// The sections that say something else than before.
    pub changed: Vec<&'static str>,
    /// Where clients can come now and could not before.
    pub opened: Vec<Address>,
    /// Where they cannot any more.
    pub closed: Vec<Address>,
}

/// A reload was refused, as a whole.
#[derive(Debug, thiserror::Error)]
#[error("not reloaded, the configuration from before stays: {0}")]
pub struct ReloadError(#[from] pub StartError);

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = match &self.changed[..] {
            [] => "nothing changed".to_owned(),
            changed => format!("changed: {}", changed.join(", ")),
        };
        f.write_str(&changed)?;
        for (what, addresses) in [("opened", &self.opened), ("closed", &self.closed)] {
            if !addresses.is_empty() {
                let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
                write!(f, "; {what}: {}", addresses.join(", "))?;
            }
        }
        Ok(())
    }
}

/// The sections that two configurations say different things in.
pub(super) fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    // All of them: a new one does not compile without being named here.
    let Config {
        hostname,
        listeners,
        auth_http,
        tls,
        auth,
        smtp,
        recipients,
        maildir,
        validate,
        save,
        wildcard,
        fastcgi,
        header,
        compressor,
        spool,
        limits,
        timeouts,
        log,
        threads,
    } = before;
    let same = [
        ("hostname", *hostname == after.hostname),
        ("listeners", *listeners == after.listeners),
        ("auth_http", *auth_http == after.auth_http),
        ("tls", *tls == after.tls),
        ("auth", *auth == after.auth),
        ("smtp", *smtp == after.smtp),
        ("recipients", *recipients == after.recipients),
        ("maildir", *maildir == after.maildir),
        ("validate", *validate == after.validate),
        ("save", *save == after.save),
        ("wildcard", *wildcard == after.wildcard),
        ("fastcgi", *fastcgi == after.fastcgi),
        ("header", *header == after.header),
        ("compressor", *compressor == after.compressor),
        ("spool", *spool == after.spool),
        ("limits", *limits == after.limits),
        ("timeouts", *timeouts == after.timeouts),
        ("log", *log == after.log),
        ("threads", *threads == after.threads),
    ];
    let differing = same.into_iter().filter(|(_, is_same)| !is_same);
    differing.map(|(section, _)| section).collect()
}
