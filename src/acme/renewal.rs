//! When a certificate is obtained, and what is said about it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use mail_parser::DateTime;
use smol::Timer;

use super::fault::Fault;
use super::pause::Pause;
use super::{Acme, Kind};
use crate::health::Part;
use crate::tls::{Facts, Identity, provider};

/// The clock may be set, and a machine may sleep: so the time is looked at in between.
const GLANCE: Duration = Duration::from_mins(10);
/// A pause is longer by up to a part of itself, lest all who failed together come back together.
const JITTER: u32 = 8;

impl Acme {
    /// Obtains a certificate and renews it, for ever. The old one is used until the new one is
    /// there.
    pub async fn keep(self: Arc<Self>, part: Part) {
        self.rest(&part).await;
        loop {
            self.until_due().await;
            match Arc::clone(&self).obtain().await {
                Ok(()) => {
                    self.failures.store(0, Ordering::Relaxed);
                    part.well();
                    self.keep_pause(None).await;
                }
                Err(fault) => {
                    let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                    part.hampered(&fault);
                    let pause = fault.kind.pause(failures);
                    let pause = pause + jitter(pause / JITTER);
                    // Rounded up: a second more does no harm.
                    let next = now().saturating_add_unsigned(pause.as_secs() + 1);
                    let kept = Pause::new(failures, next, &self.settings);
                    self.keep_pause(Some(kept)).await;
                    self.complain(&fault, next);
                    Timer::after(pause).await;
                }
            }
        }
    }

    /// Waits until the pause is over that was begun before a restart.
    async fn rest(&self, part: &Part) {
        let (Some(pause), Some(cause)) = (&self.before, self.paused()) else {
            return;
        };
        log::warn!(cause:% = cause; "a certificate is not asked for yet");
        part.hampered(&cause);
        loop {
            let left = u64::try_from(pause.next - now()).unwrap_or_default();
            if left == 0 {
                return;
            }
            Timer::after(Duration::from_secs(left).min(GLANCE)).await;
        }
    }

    /// Keeps a pause for the next start, or that there is none. Without it, it only is forgotten then.
    async fn keep_pause(&self, pause: Option<Pause>) {
        let cache = self.cache.clone();
        let kept = smol::unblock(move || match pause {
            Some(pause) => cache.keep_pause(&pause),
            None => cache.end_pause(),
        });
        if let Err(error) = kept.await {
            log::debug!(cause:% = error; "a pause is not kept");
        }
    }

    async fn until_due(&self) {
        loop {
            let left = match self.cached() {
                Some(facts) if is_for(&facts, &self.settings.domains) => {
                    u64::try_from(renewal(&facts) - now()).unwrap_or_default()
                }
                _ => 0,
            };
            if left == 0 {
                return;
            }
            Timer::after(Duration::from_secs(left).min(GLANCE)).await;
        }
    }

    async fn obtain(self: Arc<Self>) -> Result<(), Fault> {
        let this = Arc::clone(&self);
        let account = smol::unblock(move || {
            this.prepare()?;
            this.cache.account()
        });
        let account = account.await?;
        // A panic would end a thread that serves connections, too.
        let ordered = AssertUnwindSafe(self.order(&account)).catch_unwind().await;
        let pem = ordered.unwrap_or_else(|_| {
            let said = "the order: a fault of this program; please report it";
            Err(Fault::new(Kind::Refused, said))
        })?;
        smol::unblock(move || self.deploy(&pem)).await
    }

    fn deploy(&self, pem: &str) -> Result<(), Fault> {
        let file = self.cache.certificate_file();
        let identity = Identity::parse(&file, pem.as_bytes(), &provider())
            .map_err(|error| Fault::new(Kind::Refused, format!("what was issued: {error}")))?;
        // It was issued, and that counts against a limit: better to use it until a restart than to
        // order the next one.
        if let Err(error) = self.cache.keep_certificate(pem) {
            log::error!(cause:% = error; "a certificate was obtained and cannot be kept: it is used until this program ends");
        }
        let facts = identity.facts.clone();
        let event = if self.cached().is_some() {
            "a certificate was renewed"
        } else {
            "a certificate was obtained"
        };
        log::info!(
            file:% = file.display(),
            subject = facts.subject,
            names = facts.names.join(","),
            expires = facts.expires(),
            days = facts.days_left(),
            renewal = rfc3339(renewal(&facts));
            "{event}"
        );
        self.replace(identity);
        Ok(())
    }

    /// `next` is when it is tried again, in seconds since 1970.
    fn complain(&self, fault: &Fault, next: i64) {
        match self.cached() {
            None => {
                log::error!(cause:% = fault, next = rfc3339(next); "no certificate was obtained: nothing is encrypted until there is one");
            }
            Some(facts) if facts.is_current() => {
                log::error!(cause:% = fault, next = rfc3339(next), expires = facts.expires(), days = facts.days_left(); "no certificate was obtained, the old one is kept");
            }
            Some(facts) => {
                log::error!(cause:% = fault, next = rfc3339(next), expires = facts.expires(); "no certificate was obtained, and the old one has expired");
            }
        }
    }
}

/// When a third of its time is left, as Let's Encrypt recommends; in seconds since 1970.
pub(super) fn renewal(facts: &Facts) -> i64 {
    let life = facts.not_after.saturating_sub(facts.not_before);
    facts.not_after.saturating_sub(life / 3)
}

/// Whether it is for these names and no others.
pub(super) fn is_for(facts: &Facts, domains: &[String]) -> bool {
    let names: BTreeSet<&String> = facts.names.iter().collect();
    names == domains.iter().collect()
}

fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.max(1))
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

pub(super) fn rfc3339(seconds: i64) -> String {
    DateTime::from_timestamp(seconds).to_rfc3339()
}
