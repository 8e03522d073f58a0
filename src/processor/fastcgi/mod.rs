//! `FastCGI`: a PHP application is asked whether it knows a recipient, and is
//! given the message.
//!
//! With `delivery: inline` it is asked between stage and commit: what stands
//! before it in the chain (`MailDir|FastCGI`) has everything on the disk and
//! nothing visible, and a refusal or a fault takes it back. A message with several
//! recipients is handed over once for each; when one of them is refused the whole
//! message is, and PHP sees those before it again, with the same keys.

mod cache;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use smol::Timer;
use smol::future::or;

pub use cache::Times;

use super::{Delivery, Pending, Processor, Sender, Staged};
use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::fastcgi::{self, Answer, Bridge, Content, Letter, Verdict, idempotency_key};
use crate::smtp::reply;
use cache::Cache;

/// Asks and feeds PHP.
#[derive(Debug)]
pub struct FastCgi {
    bridge: Arc<Bridge>,
    cache: Cache,
}

impl FastCgi {
    /// PHP at the other side of `bridge`; what it says of recipients is believed
    /// for these times.
    pub fn new(bridge: Arc<Bridge>, times: Times) -> Self {
        Self {
            bridge,
            cache: Cache::new(times),
        }
    }

    /// Hands the message over for all recipients, within the time for one.
    async fn hand_all(&self, delivery: &Delivery) -> Result<(), Failure> {
        let all = async {
            for (index, recipient) in delivery.recipients().iter().enumerate() {
                self.hand(delivery, index, recipient).await?;
            }
            Ok(())
        };
        let time = self.bridge.settings().timeout;
        or(all, async {
            Timer::after(time).await;
            let cause = format!("PHP has not answered for all recipients within {time:?}");
            Err(Failure::new(reply::LOCAL_FAULT, cause))
        })
        .await
    }

    async fn hand(
        &self,
        delivery: &Delivery,
        index: usize,
        recipient: &Recipient,
    ) -> Result<(), Failure> {
        let envelope = envelope(delivery, index, recipient);
        let destination = recipient.destinations.first();
        let trace = delivery.trace.as_ref().zip(destination);
        let trace = trace.map(|(trace, destination)| trace.fields(recipient, destination));
        let trace = trace.unwrap_or_default().replace('\n', "\r\n");
        let pieces: Vec<&[u8]> = delivery.content().collect();
        let letter = Letter {
            envelope: &envelope,
            trace: &trace,
            content: Content::Pieces(&pieces),
            path: None,
        };
        match self.bridge.hand(letter, 1).await {
            Answer::Delivered => Ok(()),
            Answer::Later { reply, why, .. } | Answer::Never { reply, why } => {
                Err(Failure::new(reply, format!("PHP: {why}")))
            }
        }
    }
}

impl Processor for FastCgi {
    fn name(&self) -> &'static str {
        "FastCGI"
    }

    /// PHP has said that it has the message.
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
        Box::pin(verdict(self.cache.verdict(name, ask)))
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move { self.hand_all(delivery).await.map(|()| Staged::Done) })
    }
}

async fn verdict(verdict: impl Future<Output = Verdict>) -> Result<(), Failure> {
    match verdict.await {
        Verdict::Passed => Ok(()),
        Verdict::Refused { reply, why } | Verdict::Unknown { reply, why } => {
            Err(Failure::new(reply, format!("PHP: {why}")))
        }
    }
}

/// What PHP is told of a message.
fn envelope(delivery: &Delivery, index: usize, recipient: &Recipient) -> fastcgi::Envelope {
    let envelope = &delivery.mail.envelope;
    let (mail_from, rcpt) = (
        envelope.reverse_path.to_string(),
        recipient.forward_path.to_string(),
    );
    // `Hasher` has computed it, where it is in the chain.
    let digest = delivery.digests.get(index).cloned();
    let key = digest.unwrap_or_else(|| idempotency_key(&delivery.mail.content, &mail_from, &rcpt));
    fastcgi::Envelope {
        id: envelope.id.clone(),
        received: envelope.received,
        mail_from,
        rcpt,
        mailbox: mailbox(recipient),
        captures: captures(recipient),
        helo: envelope.client.helo.clone(),
        client: envelope.client.address,
        client_port: None,
        server: None,
        host: envelope.host.clone(),
        tls: None,
        key,
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
        client: sender.client.address,
        client_port: None,
        server: None,
        host: host.map_or_else(String::new, |destination| {
            destination.mailbox.domain().to_string()
        }),
        tls: None,
        key: String::new(),
    }
}

fn mailbox(recipient: &Recipient) -> String {
    let first = recipient.destinations.first();
    first.map_or_else(String::new, |destination| destination.mailbox.to_string())
}

fn captures(recipient: &Recipient) -> BTreeMap<String, String> {
    let first = recipient.destinations.first();
    first.map_or_else(BTreeMap::new, |destination| destination.captures.clone())
}
