//! Logins: who may try, how often, and how long a refusal takes.

mod asked;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Semaphore;

pub use asked::Denied;

use super::Networks;
use super::counts::Counts;
use super::limits::{Share, network};
use crate::credentials::{Credentials, Table};
use crate::envelope::Client;
use crate::locks::lock;
use crate::smtp::reply::{self, Reply};
use crate::smtp::sasl::{Bindings, Claim, Fault, Keys, Mechanism};

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
    /// Networks that are never locked out: many users are behind one address there.
    pub exempt: Networks,
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

/// Why somebody is not logged in.
pub(super) enum Refusal {
    Fault(Fault),
    /// Nothing to do with who it is.
    Other(Reply, &'static str),
}

impl Refusal {
    /// What somebody has tried that has proved nothing.
    pub fn wrong(login: impl Into<String>, cause: &'static str) -> Self {
        let login = login.into();
        Self::Fault(Fault::Refused { login, cause })
    }

    pub fn late() -> Self {
        Self::Other(reply::AUTH_UNAVAILABLE, "the look-up took too long")
    }

    /// Whether it could have succeeded: then it counts, and takes as long whatever its cause, so that
    /// nobody learns from that who there is. All else is told at once.
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Fault(Fault::Refused { .. }))
    }

    /// What the client is told; for the log, who it said it is, and why that is not believed.
    pub fn told(self) -> (Reply, String, &'static str) {
        match self {
            Self::Other(reply, cause) => (reply, String::new(), cause),
            Self::Fault(fault) => {
                let reply = fault.reply();
                match fault {
                    Fault::Malformed(cause) => (reply, String::new(), cause),
                    Fault::Refused { login, cause } => (reply, login, cause),
                }
            }
        }
    }
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

    /// Who this is, if that is the password; the check takes memory of the share. A wrong one counts for
    /// the address.
    pub(super) async fn owner_of_password(
        &self,
        claim: Claim,
        address: Option<IpAddr>,
        mut share: Share,
    ) -> Result<String, Refusal> {
        let login = claim.login.clone();
        let turn = self.checks.acquire_arc().await;
        // Those before it may have been guesses, which were not counted when it came.
        self.admit(address)?;
        let checked = self.look_up(move |users| {
            let is_right = share
                .grow(users.memory(), true)
                .then(|| users.has_password(&claim));
            (is_right, turn)
        });
        // The turn is over when it is counted.
        let (is_right, _turn) = checked.await;
        match is_right {
            Some(true) => Ok(login),
            Some(false) => {
                let refusal = Refusal::wrong(login, "wrong name or password");
                Err(self.counted(address, refusal))
            }
            None => {
                let cause = "limits.memory is used up";
                Err(Refusal::Other(reply::AUTH_UNAVAILABLE, cause))
            }
        }
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

    /// Refuses who is at an address from which too many logins were refused.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        if self.is_locked_out(address) {
            let cause = "too many refused logins from this address";
            return Err(Refusal::Other(reply::TOO_MANY_LOGINS, cause));
        }
        Ok(())
    }

    fn is_locked_out(&self, address: Option<IpAddr>) -> bool {
        let limit = self.settings.failures_per_ip;
        let Some(address) = address.filter(|_| limit > 0) else {
            return false;
        };
        if self.settings.exempt.contain(Some(address)) {
            return false;
        }
        let refused = lock(&self.refused);
        refused
            .get(&network(address))
            .is_some_and(|it| it.count >= limit && !self.is_forgotten(it))
    }

    /// The same refusal, which counts for the address if it is a guess.
    pub(super) fn counted(&self, address: Option<IpAddr>, refusal: Refusal) -> Refusal {
        if refusal.is_guess() {
            self.refused(address);
        }
        refusal
    }

    /// Counts a refused login.
    fn refused(&self, address: Option<IpAddr>) {
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
