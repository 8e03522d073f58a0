//! What the log says, and the events: one line per message, one per refusal, the same keys in the
//! same order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::chain::Fate;
use crate::envelope::{self, Client, Mail, Recipient, Tls};
use crate::events::{Event, Events, Message, Peer, Refusal, Refused};
use crate::failure::{Failure, status};
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::sasl::Mechanism;
use crate::smtp::{self, Reply, Session, reply};

/// Refused recipients that are logged one by one in a session; the others are only counted.
const REFUSALS: u32 = 5;

/// Writes the lines of one session, and tells its events.
#[derive(Debug)]
pub struct SessionLog {
    client: String,
    /// Who has told of that client.
    proxy: Option<String>,
    /// The version of TLS; empty while the connection is plain.
    tls: String,
    refused: u32,
    peer: Peer,
    events: Events,
}

impl SessionLog {
    /// The lines about a program of this machine that hands mail over.
    pub fn local() -> Self {
        Self {
            client: "local".to_owned(),
            ..Self::new(&Client::default(), "local".into(), Events::default())
        }
    }

    /// The lines about a client of a listener.
    pub fn new(client: &Client, listener: Arc<str>, events: Events) -> Self {
        Self {
            client: peer(client),
            proxy: client.proxy.map(|proxy| proxy.to_string()),
            tls: client
                .tls
                .as_ref()
                .map_or_else(String::new, |tls| tls.version.clone()),
            refused: 0,
            peer: Peer::new(listener, client),
            events,
        }
    }

    /// A proxy has told that this is the client.
    pub fn introduced(&mut self, client: &Client) {
        let (refused, listener) = (self.refused, Arc::clone(&self.peer.listener));
        *self = Self {
            refused,
            ..Self::new(client, listener, self.events.clone())
        };
    }

    fn tls(&self) -> Option<&str> {
        (!self.tls.is_empty()).then_some(self.tls.as_str())
    }

    /// A recipient was refused.
    pub fn refused(&mut self, path: &ForwardPath, reverse_path: &ReversePath, failure: &Failure) {
        self.tell_refused(|| {
            let (path, reverse_path) = (path.clone(), reverse_path.clone());
            let of = Refused::Recipient { path, reverse_path };
            (of, failure.clone())
        });
        self.refused += 1;
        if self.refused > REFUSALS {
            return;
        }
        info!(
            client = self.client,
            proxy = self.proxy,
            from:% = reverse_path,
            to:% = path,
            status = status(&failure.reply),
            reply:% = failure.reply,
            cause = failure.cause;
            "recipient refused"
        );
    }

    /// A message was delivered or not: a line for each outcome, which is one
    /// unless LMTP recipients fared differently.
    pub fn delivered(&self, mail: &Mail, fates: &[Fate], delay: Duration) {
        let recipients = &mail.envelope.recipients;
        for (index, fate) in fates.iter().enumerate() {
            if fates[..index].contains(fate) {
                continue;
            }
            let alike = fates
                .iter()
                .zip(recipients)
                .filter(|(other, _)| *other == fate);
            let to: Vec<&Recipient> = match fates.len() {
                1 => recipients.iter().collect(),
                _ => alike.map(|(_, recipient)| recipient).collect(),
            };
            self.outcome(mail, &to, fate, delay);
        }
    }

    fn outcome(&self, mail: &Mail, recipients: &[&Recipient], fate: &Fate, delay: Duration) {
        let envelope = &mail.envelope;
        self.events.tell(|| {
            let at = (Arc::clone(&self.peer.listener), mail.content.len());
            let message = Message::new(envelope, at, recipients, delay, fate);
            Event::Message(Box::new(message))
        });
        let origin = envelope.client.origin.as_deref();
        let (status, reply, cause) = match fate {
            Ok(()) => ("delivered", None, None),
            Err(failure) => (
                status(&failure.reply),
                Some(failure.reply.to_string()),
                failure.cause.as_deref(),
            ),
        };
        let level = if fate.is_ok() {
            log::Level::Info
        } else {
            log::Level::Warn
        };
        log::log!(
            level,
            id = envelope.id,
            client = self.client,
            proxy = self.proxy,
            orig_client = origin.and_then(|origin| origin.address).map(|it| it.to_string()),
            orig_helo = origin.and_then(|origin| origin.helo.as_deref()),
            orig_id = origin.and_then(|origin| origin.id.as_deref()),
            helo = envelope.client.helo,
            login = envelope.client.login,
            protocol = envelope.with(),
            tls = envelope.client.tls.as_ref().map(|tls| tls.version.as_str()),
            certificate = certificate(&envelope.client),
            from:% = envelope.reverse_path,
            to = envelope::names(recipients.iter().copied()),
            nrcpt = recipients.len(),
            size = mail.content.len(),
            delay = delay.as_secs_f64(),
            status = status,
            reply = reply,
            cause = cause;
            "message"
        );
    }

    /// The client has logged in.
    pub fn logged_in(&self, login: &str, mechanism: Option<Mechanism>) {
        info!(
            client = self.client,
            login = login,
            mechanism = mechanism.map(Mechanism::name);
            "login"
        );
        self.events.tell(|| Event::LoggedIn {
            peer: self.peer.clone(),
            login: login.to_owned(),
            mechanism: mechanism.map(Mechanism::name),
        });
    }

    /// It has tried to; nobody who guesses passwords fills the log faster than he may guess.
    pub fn not_logged_in(
        &self,
        login: &str,
        mechanism: Option<Mechanism>,
        reply: &Reply,
        cause: &str,
    ) {
        warn!(
            client = self.client,
            login = Some(login).filter(|login| !login.is_empty()),
            mechanism = mechanism.map(Mechanism::name),
            status = status(reply),
            reply:% = reply,
            cause = cause;
            "login refused"
        );
        self.events.tell(|| Event::NotLoggedIn {
            peer: self.peer.clone(),
            login: login.to_owned(),
            mechanism: mechanism.map(Mechanism::name),
            reply: reply.clone(),
            cause: cause.to_owned(),
        });
    }

    /// The connection is encrypted from here on.
    pub fn secured(&mut self, tls: &Tls) {
        self.tls.clone_from(&tls.version);
        let certificate = tls.certificate.as_ref();
        log::log!(
            if certificate.is_some() { log::Level::Info } else { log::Level::Debug },
            client = self.client,
            tls = tls.version,
            cipher = tls.cipher,
            server_name = tls.server_name,
            subject = certificate.map(|it| it.subject.as_str()),
            certificate = certificate.map(|it| it.fingerprint.as_str());
            "encrypted"
        );
        self.events.tell(|| Event::Encrypted {
            peer: self.peer.clone(),
            version: tls.version.clone(),
            cipher: tls.cipher.clone(),
        });
    }

    /// The handshake failed: every scanner has one, so it is no more than an information.
    pub fn not_secured(&self, cause: &str) {
        info!(client = self.client, cause = cause; "handshake failed");
        self.events.tell(|| Event::NotEncrypted {
            peer: self.peer.clone(),
            cause: cause.to_owned(),
        });
    }

    /// What the session itself has refused: in the log it has a line at the end of the session.
    pub fn refused_by_session(&self, refusals: &[smtp::Refusal]) {
        for smtp::Refusal { reply, is_content } in refusals {
            self.tell_refused(|| {
                let of = if *is_content {
                    Refused::Content
                } else {
                    Refused::Command
                };
                (of, reply.clone().into())
            });
        }
    }

    fn tell_refused(&self, refused: impl FnOnce() -> (Refused, Failure)) {
        self.events.tell(|| {
            let (of, Failure { reply, cause }) = refused();
            Event::Refused(Refusal {
                peer: self.peer.clone(),
                of,
                reply: Some(reply),
                cause,
            })
        });
    }

    /// The content of a message could not be kept; the session tells it when it was refused.
    pub fn not_kept<R>(&self, session: &Session<R>, failure: &Failure) {
        warn!(
            client = self.client,
            proxy = self.proxy,
            helo = session.client_name().map(ToString::to_string),
            from = session.reverse_path().map(ToString::to_string),
            size = session.content_size(),
            status = status(&failure.reply),
            reply:% = failure.reply,
            cause = failure.cause;
            "message refused"
        );
    }

    /// The client took too long.
    pub fn timed_out<R>(&self, session: &Session<R>) {
        info!(
            client = self.client,
            proxy = self.proxy,
            helo = session.client_name().map(ToString::to_string),
            tls = self.tls(),
            reply:% = reply::TIMEOUT;
            "session ended"
        );
    }

    /// The session has ended; what the client was refused in it is told in one line.
    pub fn closed<R>(&self, session: &Session<R>) {
        let (refusals, last) = session.refusals();
        if refusals > 0 || self.refused > REFUSALS {
            info!(
                client = self.client,
                proxy = self.proxy,
                helo = session.client_name().map(ToString::to_string),
                tls = self.tls(),
                refusals = refusals,
                recipients = self.refused,
                reply = last.map(ToString::to_string);
                "session with refusals"
            );
        }
    }
}

/// The time that a connection is there.
pub(super) struct Presence {
    peer: Peer,
    events: Events,
    begun: Instant,
}

impl Presence {
    /// Somebody has connected, and may stay.
    pub(super) fn begin(peer: Peer, events: &Events) -> Self {
        events.tell(|| Event::Connected(peer.clone()));
        Self {
            peer,
            events: events.clone(),
            begun: Instant::now(),
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let end = || Event::Disconnected(self.peer.clone(), self.begun.elapsed());
        self.events.tell(end);
    }
}

/// The fingerprint of the client's certificate.
fn certificate(client: &Client) -> Option<&str> {
    let certificate = client.tls.as_ref()?.certificate.as_ref()?;
    Some(&certificate.fingerprint)
}

pub(super) fn peer(client: &Client) -> String {
    client
        .address
        .map_or_else(|| "unix".to_owned(), |address| address.to_string())
}
