//! `FastCGI`: a PHP application is asked whether it knows a recipient, and is
//! given the message.
//!
//! With `delivery: inline` it is asked between stage and commit: what stands
//! before it in the chain (`MailDir|FastCGI`) has everything on the disk and
//! nothing visible, and a refusal or a fault takes it back. A message with several
//! recipients is handed over once for each; when one of them is refused the whole
//! message is, and PHP sees those before it again, with the same keys. All of them together have the
//! time of one.
//!
//! With `delivery: queued` the message goes into a queue, and a [`Postman`] hands
//! it over.

mod postman;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use postman::Postman;

use super::{Delivery, Pending, Processor, Queued, Sender, Staged, keys};
use crate::answers::{self, Answers, Kind, Times};
use crate::envelope::{Client, Recipient};
use crate::failure::Failure;
use crate::fastcgi::{self, Answer, Bridge, Content, Letter, Opinion, Stored, Verdict};

/// Asks PHP about recipients, and hands it messages: while the client waits, or by way of a queue.
#[derive(Debug)]
pub struct FastCgi {
    bridge: Arc<Bridge>,
    answers: Answers<Opinion>,
    queued: Option<Queued>,
}

/// The content of a message that is not in memory.
#[derive(Debug)]
struct OnDisk<'a> {
    delivery: &'a Delivery,
    octets: u64,
}

impl FastCgi {
    /// PHP at the other side of `bridge`; what it says of recipients is believed
    /// for these times.
    pub fn new(bridge: Arc<Bridge>, times: Times) -> Self {
        Self {
            bridge,
            answers: Answers::new("PHP", times),
            queued: None,
        }
    }

    /// The same, which does not let clients wait for PHP: mail goes into a queue.
    #[must_use]
    pub fn queued(self, queued: Queued) -> Self {
        Self {
            queued: Some(queued),
            ..self
        }
    }

    /// Hands the message over for all recipients, within the time for one: the client waits for all
    /// of them.
    async fn hand_all(&self, delivery: &Delivery) -> Result<(), Failure> {
        let keys = keys(delivery)?;
        let until = self.bridge.until();
        for (recipient, key) in delivery.recipients().iter().zip(&*keys) {
            self.hand(delivery, key, recipient, until).await?;
        }
        Ok(())
    }

    async fn hand(
        &self,
        delivery: &Delivery,
        key: &str,
        recipient: &Recipient,
        until: Instant,
    ) -> Result<(), Failure> {
        let envelope = envelope(delivery, key, recipient);
        let destination = recipient.destinations.first();
        let trace = delivery.trace.as_ref().zip(destination);
        let trace = trace.map(|(trace, destination)| trace.fields(recipient, destination));
        let trace = trace.unwrap_or_default().replace('\n', "\r\n");
        let (pieces, on_disk);
        let content = if let Some(octets) = delivery.octets() {
            pieces = octets;
            Content::Pieces(&pieces)
        } else {
            on_disk = OnDisk::new(delivery)?;
            Content::Stored(&on_disk)
        };
        let letter = Letter {
            envelope: &envelope,
            trace: &trace,
            content,
            path: None,
        };
        match self.bridge.hand_until(letter, until).await {
            Answer::Delivered => Ok(()),
            Answer::Later { reply, why, .. } | Answer::Never { reply, why } => {
                Err(Failure::new(reply, format!("PHP: {why}")))
            }
        }
    }
}

impl<'a> OnDisk<'a> {
    fn new(delivery: &'a Delivery) -> io::Result<Self> {
        let octets = delivery.tally()?.octets();
        Ok(Self { delivery, octets })
    }
}

impl Stored for OnDisk<'_> {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(at).map_err(io::Error::other)?;
        self.delivery.read_at(at, buffer)
    }
}

impl Processor for FastCgi {
    fn name(&self) -> &'static str {
        "FastCGI"
    }

    /// PHP has said that it has the message, or the queue has it.
    fn stores(&self) -> bool {
        true
    }

    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        sender: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        let asked = asked(recipient, sender);
        let name = asked.rcpt.clone();
        let ask = async move { self.bridge.ask(&asked).await };
        Box::pin(verdict(self.answers.answer(name, ask)))
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        match &self.queued {
            Some(queued) => queued.stage(delivery),
            None => Box::pin(async move { self.hand_all(delivery).await.map(|()| Staged::Done) }),
        }
    }
}

impl answers::Answer for Opinion {
    fn kind(&self) -> Kind {
        match self.verdict {
            Verdict::Passed => Kind::Yes,
            Verdict::Refused { .. } => Kind::No,
            Verdict::Unknown { .. } => Kind::Unknown,
        }
    }

    fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }
}

async fn verdict(opinion: impl Future<Output = Opinion>) -> Result<(), Failure> {
    match opinion.await.verdict {
        Verdict::Passed => Ok(()),
        Verdict::Refused { reply, why } | Verdict::Unknown { reply, why } => {
            Err(Failure::new(reply, format!("PHP: {why}")))
        }
    }
}

/// What PHP is told of a message.
fn envelope(delivery: &Delivery, key: &str, recipient: &Recipient) -> fastcgi::Envelope {
    let envelope = &delivery.mail.envelope;
    let origin = envelope.client.origin.as_ref();
    fastcgi::Envelope {
        id: envelope.id.clone(),
        received: envelope.received,
        mail_from: envelope.reverse_path.to_string(),
        rcpt: recipient.forward_path.to_string(),
        mailbox: mailbox(recipient),
        captures: captures(recipient),
        helo: envelope.client.helo.clone(),
        client: envelope.client.shown(),
        client_port: envelope.client.port,
        server: envelope.client.server,
        host: envelope.host.clone(),
        tls: version(&envelope.client),
        login: envelope.client.login.clone(),
        origin: origin.map(|origin| origin.told()).unwrap_or_default(),
        key: key.to_owned(),
    }
}

/// What PHP is told when it is asked about a recipient.
fn asked(recipient: &Recipient, sender: Sender<'_>) -> fastcgi::Envelope {
    let host = recipient.destinations.first();
    fastcgi::Envelope {
        id: String::new(),
        received: SystemTime::now(),
        mail_from: sender.reverse_path.to_string(),
        rcpt: recipient.forward_path.to_string(),
        mailbox: mailbox(recipient),
        captures: captures(recipient),
        helo: sender.client.helo.clone(),
        client: sender.client.shown(),
        client_port: sender.client.port,
        server: sender.client.server,
        host: host.map_or_else(String::new, |destination| {
            destination.mailbox.domain().to_string()
        }),
        tls: version(sender.client),
        login: sender.client.login.clone(),
        // That is known of a message only.
        origin: BTreeMap::new(),
        key: String::new(),
    }
}

/// The version of TLS that it is spoken to with.
fn version(client: &Client) -> Option<String> {
    client.tls.as_ref().map(|tls| tls.version.clone())
}

fn mailbox(recipient: &Recipient) -> String {
    let first = recipient.destinations.first();
    first.map_or_else(String::new, |destination| destination.mailbox.to_string())
}

fn captures(recipient: &Recipient) -> BTreeMap<String, String> {
    let first = recipient.destinations.first();
    first.map_or_else(BTreeMap::new, |destination| destination.captures.clone())
}
