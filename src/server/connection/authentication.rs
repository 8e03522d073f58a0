//! A client that says who it is.

use std::sync::Arc;
use std::time::Instant;

use async_rustls::server::TlsStream;
use futures_util::future::FusedFuture as _;

use super::{Connection, Stop};
use crate::credentials;
use crate::server::clock::Clock;
use crate::server::logins::Logins;
use crate::server::tls::bindings;
use crate::smtp::Attempt;
use crate::smtp::reply::{self, Reply};
use crate::smtp::sasl::{self, Exchange, Fault, Mechanism, Terms, Turn};
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

/// Why somebody is not logged in.
enum Refusal {
    Fault(Fault),
    /// Nothing to do with who it is.
    Other(Reply, &'static str),
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
        match attempt {
            Attempt::Begin(mechanism, initial) => {
                if logins.is_locked_out(self.client.address) {
                    let cause = "too many refused logins from this address";
                    return Err(Refusal::Other(reply::TOO_MANY_LOGINS, cause));
                }
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
            _ => Err(late()),
        }
    }

    /// Whether the client is who it says.
    async fn decide(
        &mut self,
        turn: Turn,
        logins: &Logins,
        deadline: Instant,
    ) -> Result<String, Refusal> {
        let refused = |login: String, cause| Refusal::Fault(Fault::Refused { login, cause });
        match turn {
            Turn::Proved(login) => Ok(login),
            Turn::Failed(fault) => Err(Refusal::Fault(fault)),
            Turn::Password(claim) => {
                let login = claim.login.clone();
                let check = logins.has_password(claim, self.service.limits.share());
                match self.alarm.before(deadline, check).await {
                    Some(Some(true)) => Ok(login),
                    Some(Some(false)) => Err(refused(login, "wrong name or password")),
                    Some(None) => {
                        let cause = "limits.memory is used up";
                        Err(Refusal::Other(reply::AUTH_UNAVAILABLE, cause))
                    }
                    None => Err(late()),
                }
            }
            Turn::Certificate(wanted) => {
                let tls = self.client.tls.as_ref();
                let certificate = tls.and_then(|tls| tls.certificate.as_ref());
                let fingerprint = certificate.map(|it| it.fingerprint.clone());
                let owner = logins.owner_of(fingerprint.unwrap_or_default());
                let owner = self.alarm.before(deadline, owner).await.ok_or_else(late)?;
                match (owner, wanted) {
                    (Some(owner), None) => Ok(owner),
                    (Some(owner), Some(wanted)) if owner == wanted => Ok(owner),
                    (_, wanted) => Err(refused(wanted.unwrap_or_default(), "nobody's certificate")),
                }
            }
            Turn::Challenge(_) | Turn::Keys(_) => Err(late()),
        }
    }

    /// A refusal takes as long whatever its cause, so that nobody learns from that who there is;
    /// only what could not have succeeded is told at once.
    async fn refuse(
        &mut self,
        refusal: Refusal,
        mechanism: Option<Mechanism>,
        logins: &Logins,
        begun: Instant,
        stop: &mut Stop,
    ) {
        let (reply, login, cause) = match refusal {
            Refusal::Other(reply, cause) => (reply, String::new(), cause),
            Refusal::Fault(fault) => {
                let reply = fault.reply();
                match fault {
                    Fault::Malformed(cause) => (reply, String::new(), cause),
                    Fault::Refused { login, cause } => {
                        logins.refused(self.client.address);
                        let until = begun + logins.delay(self.login.refused);
                        self.login.refused += 1;
                        self.pause(until, stop).await;
                        (reply, login, cause)
                    }
                }
            }
        };
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

fn late() -> Refusal {
    Refusal::Other(reply::AUTH_UNAVAILABLE, "the look-up took too long")
}
