//! Logins: who may try, how often, and how long a refusal takes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Semaphore;

use super::counts::Counts;
use super::limits::{Share, network};
use crate::credentials::{Credentials, Table};
use crate::envelope::Client;
use crate::locks::lock;
use crate::smtp::sasl::{Bindings, Claim, Keys, Mechanism};

/// Networks whose refused logins are remembered.
const REMEMBERED: usize = 10_000;
/// No refusal takes longer.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How clients log in.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// The mechanisms that are offered where they can be.
    pub mechanisms: Vec<Mechanism>,
    /// Whether clients of this machine may log in without TLS.
    pub plain_if_local: bool,
    /// How long the first refusal takes; each of the next on the same connection twice as long.
    pub delay: Duration,
    /// Refused logins from one address, or one IPv6 /64, before it may not try any more; 0 is no limit.
    pub failures_per_ip: u32,
    /// For how long; counted from the first one.
    pub remembered: Duration,
}

/// Everything about logins that connections share.
#[derive(Debug)]
pub struct Logins {
    settings: LoginSettings,
    credentials: Arc<Credentials>,
    /// A check of a password takes much memory and a whole core.
    checks: Arc<Semaphore>,
    refused: Arc<Mutex<HashMap<IpAddr, Refused>>>,
}

/// The refused logins of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    count: u32,
    since: Instant,
}

impl Logins {
    /// Logins of the users in a file.
    pub fn new(settings: LoginSettings, credentials: Arc<Credentials>) -> Self {
        let Counts {
            checks, refused, ..
        } = Counts::default();
        Self {
            settings,
            credentials,
            checks,
            refused,
        }
    }

    /// The same, where those logins count that were refused already.
    #[must_use]
    pub fn sharing(self, counts: &Counts) -> Self {
        Self {
            checks: Arc::clone(&counts.checks),
            refused: Arc::clone(&counts.refused),
            ..self
        }
    }

    /// The mechanisms that this client can use on this connection.
    pub(super) fn offer(&self, client: &Client, bindings: &Bindings) -> Vec<Mechanism> {
        let has_certificate = client
            .tls
            .as_ref()
            .is_some_and(|tls| tls.certificate.is_some());
        if client.tls.is_none() && !(client.is_local() && self.settings.plain_if_local) {
            return Vec::new();
        }
        let can_be_used = |mechanism: &Mechanism| match mechanism {
            Mechanism::ScramSha256Plus => !bindings.is_empty(),
            Mechanism::External => has_certificate,
            Mechanism::ScramSha256 | Mechanism::Plain | Mechanism::Login => true,
        };
        let mechanisms = self.settings.mechanisms.iter().copied();
        mechanisms.filter(can_be_used).collect()
    }

    /// Whether this is the password of that user; none where there is no memory for the check.
    pub(super) async fn has_password(&self, claim: Claim, mut share: Share) -> Option<bool> {
        let turn = self.checks.acquire_arc().await;
        self.look_up(move |users| {
            let is_right = share
                .grow(users.memory(), true)
                .then(|| users.has_password(&claim));
            drop(turn);
            is_right
        })
        .await
    }

    /// The keys of a user, or such as pass for them.
    pub(super) async fn keys(&self, login: String) -> Keys {
        self.look_up(move |users| users.keys(&login)).await
    }

    /// Whose certificate this is.
    pub(super) async fn owner_of(&self, fingerprint: String) -> Option<String> {
        self.look_up(move |users| users.owner_of(&fingerprint).map(str::to_owned))
            .await
    }

    /// The file may have to be read, and that may take long.
    async fn look_up<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Table) -> T + Send + 'static,
    ) -> T {
        let credentials = Arc::clone(&self.credentials);
        smol::unblock(move || look(&credentials.current())).await
    }

    /// How long the refusal takes that is the `nth` on its connection, from 0.
    pub(super) fn delay(&self, nth: u32) -> Duration {
        let factor = 1_u32.checked_shl(nth).unwrap_or(u32::MAX);
        self.settings
            .delay
            .saturating_mul(factor)
            .min(LONGEST_DELAY)
    }

    /// Whether too many logins from this address were refused.
    pub(super) fn is_locked_out(&self, address: Option<IpAddr>) -> bool {
        let limit = self.settings.failures_per_ip;
        let Some(address) = address.filter(|_| limit > 0) else {
            return false;
        };
        let refused = lock(&self.refused);
        refused
            .get(&network(address))
            .is_some_and(|it| it.count >= limit && !self.is_forgotten(it))
    }

    /// Counts a refused login.
    pub(super) fn refused(&self, address: Option<IpAddr>) {
        let Some(address) = address.map(network) else {
            return;
        };
        let mut refused = lock(&self.refused);
        if refused.len() >= REMEMBERED && !refused.contains_key(&address) {
            refused.retain(|_, it| !self.is_forgotten(it));
            let oldest = refused.iter().min_by_key(|(_, it)| it.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && refused.len() >= REMEMBERED
            {
                refused.remove(&oldest);
            }
        }
        let new = Refused {
            count: 0,
            since: Instant::now(),
        };
        let entry = refused.entry(address).or_insert(new);
        if self.is_forgotten(entry) {
            *entry = new;
        }
        entry.count += 1;
    }

    fn is_forgotten(&self, refused: &Refused) -> bool {
        refused.since.elapsed() >= self.settings.remembered
    }
}
