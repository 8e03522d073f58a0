//! What all connections of a server share.

use std::sync::Arc;
use std::time::SystemTime;

use super::{InUse, Limits, Linger, Logins, Spooler, Timeouts};
use crate::chain::{Chain, Fate, Known, Sender};
use crate::content::Content;
use crate::disks::Turn;
use crate::envelope::{Client, Envelope, Ids, Mail, Recipient, Transmission};
use crate::events::Events;
use crate::failure::Failure;
use crate::health::Health;
use crate::recipients::Recipients;
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::command::Greeting;
use crate::smtp::{Profile, Protocol, Submission};

/// Recipients, chain, limits: everything behind the sockets, as one configuration has it. Sessions
/// that began with it keep it until they end.
#[derive(Debug)]
pub struct Service {
    /// Which addresses are ours.
    pub recipients: Recipients,
    /// What is done with mail for them.
    pub chain: Arc<Chain>,
    /// How many clients, how much mail.
    pub limits: Limits,
    /// How long.
    pub timeouts: Timeouts,
    /// Which threads may wait for a client on the spot.
    pub linger: Linger,
    /// Where large messages wait for their end.
    pub spooler: Spooler,
    /// Who may log in, where that is possible.
    pub logins: Option<Logins>,
    /// Names for messages.
    pub ids: Arc<Ids>,
    /// Whether anybody still needs the chain.
    pub in_use: InUse,
    /// Who is told what happens.
    pub events: Events,
    /// Where it is written down what works.
    pub health: Health,
}

impl Service {
    /// Whether mail for `path` is taken, and where it goes.
    pub async fn verify(
        &self,
        path: &ForwardPath,
        client: &Client,
        reverse_path: &ReversePath,
    ) -> Result<Recipient, Failure> {
        let recipient = self.recipients.find(path).await?;
        self.chain
            .validate(
                &recipient,
                Sender {
                    client,
                    reverse_path,
                },
            )
            .await?;
        Ok(recipient)
    }

    /// Puts a message together from what the session and the socket know.
    pub(super) fn mail(
        &self,
        submission: Submission<Recipient>,
        profile: &Profile,
        client: &Client,
        content: Content,
    ) -> Arc<Mail> {
        let Submission {
            greeting,
            name,
            reverse_path,
            parameters,
            recipients,
            origin,
        } = submission;
        let received = SystemTime::now();
        let envelope = Envelope {
            id: self.ids.next(received),
            received,
            host: profile.hostname.clone(),
            client: Client {
                helo: Some(name.to_string()),
                origin,
                ..client.clone()
            },
            transmission: transmission(greeting, parameters.utf8),
            reverse_path,
            recipients,
            binary: parameters.binary,
        };
        Arc::new(Mail::new(envelope, content))
    }

    /// Delivers: one fate for an SMTP message, one per recipient for an LMTP message; these are
    /// `known` as they come.
    pub(super) async fn deliver(
        self: Arc<Self>,
        mail: Arc<Mail>,
        protocol: Protocol,
        turn: Turn,
        known: Arc<Known>,
    ) -> Vec<Fate> {
        match protocol {
            Protocol::Smtp => vec![self.chain.deliver(mail, turn).await],
            Protocol::Lmtp => self.chain.deliver_each(mail, turn, &known).await,
        }
    }
}

fn transmission(greeting: Greeting, utf8: bool) -> Transmission {
    match (greeting, utf8) {
        (Greeting::Helo, _) => Transmission::Smtp,
        (Greeting::Ehlo, false) => Transmission::Esmtp,
        (Greeting::Ehlo, true) => Transmission::Utf8Smtp,
        (Greeting::Lhlo, false) => Transmission::Lmtp,
        (Greeting::Lhlo, true) => Transmission::Utf8Lmtp,
    }
}
