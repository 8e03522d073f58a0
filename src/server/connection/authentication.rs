//! A client that says who it is.

use std::sync::Arc;
use std::time::Instant;

use async_rustls::server::TlsStream;
use futures_util::future::FusedFuture as _;

use super::{Connection, Stop};
use crate::credentials;
use crate::server::clock::Clock;
use crate::server::logins::{Logins, Refusal};
use crate::server::tls::bindings;
use crate::smtp::Attempt;
use crate::smtp::reply;
use crate::smtp::sasl::{self, Exchange, Mechanism, Terms, Turn};
use crate::tls::Offer;

/// Octets of our nonces before they become base64.
const NONCE_SIZE: usize = 18;

/// What a connection knows of logins on it.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// The exchange that is under way.
    exchange: Option<(Mechanism, Exchange)>,
    /// Refused ones.
    refused: u32,
    /// What the encrypted connection is known by.
    pub bindings: sasl::Bindings,
}

impl Login {
    /// On a connection that was just encrypted.
    pub(super) fn within<S>(stream: &TlsStream<S>, offer: &Offer) -> Self {
        Self {
            bindings: bindings(stream, offer),
            ..Self::default()
        }
    }
}

impl<S> Connection<S> {
    /// Tells the session what can be used on this connection, as it is now.
    pub(super) fn offer_logins(&mut self) {
        if let Some(logins) = &self.service.logins {
            let mechanisms = logins.offer(&self.client, &self.login.bindings);
            self.session.offer(mechanisms);
        }
    }

    /// Takes an exchange one turn further.
    pub(super) async fn authenticate(&mut self, attempt: Attempt, stop: &mut Stop) {
        let begun = Instant::now();
        let deadline = Clock::answer_deadline(&self.service.timeouts);
        let service = Arc::clone(&self.service);
        let Some(logins) = &service.logins else {
            return self.session.authenticated(Err(reply::AUTH_UNAVAILABLE));
        };
        let outcome = match self.respond(attempt, logins) {
            Ok(Turn::Keys(login)) => self.salt(login, logins, deadline).await,
            other => other,
        };
        let outcome = match outcome {
            Ok(Turn::Challenge(challenge)) => return self.session.challenge(&challenge),
            Ok(turn) => self.decide(turn, logins, deadline).await,
            Err(refusal) => Err(refusal),
        };
        let mechanism = self.login.exchange.take().map(|(mechanism, _)| mechanism);
        match outcome {
            Ok(login) => {
                self.log.logged_in(&login, mechanism);
                self.client.login = Some(login.clone());
                self.session.authenticated(Ok(login));
            }
            Err(refusal) => self.refuse(refusal, mechanism, logins, begun, stop).await,
        }
    }

    /// What the mechanism makes of it.
    fn respond(&mut self, attempt: Attempt, logins: &Logins) -> Result<Turn, Refusal> {
        // At each turn: exchanges that began beside this one may have been refused since.
        logins.admit(self.client.address)?;
        match attempt {
            Attempt::Begin(mechanism, initial) => {
                let no_nonce = |_| Refusal::Other(reply::AUTH_UNAVAILABLE, "no random octets");
                let nonce = credentials::random::<NONCE_SIZE>().map_err(no_nonce)?;
                let bindings = self.login.bindings.clone();
                let terms = Terms {
                    nonce: sasl::encode(&nonce),
                    plus_offered: logins
                        .offer(&self.client, &bindings)
                        .contains(&Mechanism::ScramSha256Plus),
                    bindings,
                };
                let exchange = Exchange::new(mechanism, terms);
                let (_, exchange) = self.login.exchange.insert((mechanism, exchange));
                Ok(exchange.respond(initial.as_deref()))
            }
            Attempt::Response(response) => match &mut self.login.exchange {
                Some((_, exchange)) => Ok(exchange.respond(Some(&response))),
                None => Err(Refusal::Other(reply::AUTH_UNAVAILABLE, "no exchange")),
            },
        }
    }

    async fn salt(
        &mut self,
        login: String,
        logins: &Logins,
        deadline: Instant,
    ) -> Result<Turn, Refusal> {
        let keys = self.alarm.before(deadline, logins.keys(login)).await;
        match (keys, &mut self.login.exchange) {
            (Some(keys), Some((_, exchange))) => Ok(exchange.keys(keys)),
            _ => Err(Refusal::late()),
        }
    }

    /// Whether the client is who it says. A guess that is wrong is counted.
    async fn decide(
        &mut self,
        turn: Turn,
        logins: &Logins,
        deadline: Instant,
    ) -> Result<String, Refusal> {
        let address = self.client.address;
        match turn {
            Turn::Proved(login) => Ok(login),
            Turn::Failed(fault) => Err(logins.counted(address, Refusal::Fault(fault))),
            Turn::Password(claim) => {
                let share = self.service.limits.share();
                let owner = logins.owner_of_password(claim, address, share);
                let owner = self.alarm.before(deadline, owner).await;
                owner.ok_or_else(Refusal::late)?
            }
            Turn::Certificate(wanted) => {
                let tls = self.client.tls.as_ref();
                let certificate = tls.and_then(|tls| tls.certificate.as_ref());
                let fingerprint = certificate.map(|it| it.fingerprint.clone());
                let owner = logins.owner_of(fingerprint.unwrap_or_default());
                let owner = self.alarm.before(deadline, owner).await;
                let owner = owner.ok_or_else(Refusal::late)?;
                match (owner, wanted) {
                    (Some(owner), None) => Ok(owner),
                    (Some(owner), Some(wanted)) if owner == wanted => Ok(owner),
                    (_, wanted) => {
                        let wanted = wanted.unwrap_or_default();
                        let refusal = Refusal::wrong(wanted, "nobody's certificate");
                        Err(logins.counted(address, refusal))
                    }
                }
            }
            Turn::Challenge(_) | Turn::Keys(_) => Err(Refusal::late()),
        }
    }

    /// A guess is answered slowly, all else at once.
    async fn refuse(
        &mut self,
        refusal: Refusal,
        mechanism: Option<Mechanism>,
        logins: &Logins,
        begun: Instant,
        stop: &mut Stop,
    ) {
        if refusal.is_guess() {
            let until = begun + logins.delay(self.login.refused);
            self.login.refused += 1;
            self.pause(until, stop).await;
        }
        let (reply, login, cause) = refusal.told();
        self.log.not_logged_in(&login, mechanism, &reply, cause);
        self.session.authenticated(Err(reply));
    }

    /// Waits, but not when the server is to stop.
    async fn pause(&mut self, until: Instant, stop: &mut Stop) {
        if !stop.is_terminated() && self.alarm.before(until, stop).await.is_some() {
            self.session.shut_down();
        }
    }
}
