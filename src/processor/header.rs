//! `Header`: prepends the trace fields, and stops mail that goes round in a loop.

use std::sync::Arc;

use super::{Delivery, Fields, Pending, Processor, Staged, Trace};
use crate::content::begins_with_header;
use crate::envelope::{Mail, Recipient};
use crate::failure::Failure;
use crate::smtp::address::Domain;
use crate::smtp::reply;

/// Old Return-Path fields that are removed, at most. A message has one; who
/// sends a million shall not make every piece between them one to be written.
const RETURN_PATHS: usize = 100;

/// Octets of a message that are searched for these fields, at most. Those of a loop are among the first: on every
/// round they are written before all others.
const HEAD: usize = 256 << 10;

/// Writes trace fields (RFC 5321 section 4.4) and detects loops (section 6.3).
#[derive(Clone, Debug)]
pub struct Header {
    hops: usize,
    delivered_to_host: Option<Domain>,
}

/// What the fields of a message tell about its way here.
#[derive(Default)]
struct Way {
    received: usize,
    /// Whether a Delivered-To, and an X-Original-To, names one of the recipients as ours would.
    delivered: bool,
    original: bool,
}

impl Header {
    /// A message with more than `hops` Received fields is refused.
    pub fn new(hops: usize) -> Self {
        Self {
            hops,
            delivered_to_host: None,
        }
    }

    /// Has every Delivered-To name this host instead of that of the mailbox.
    #[must_use]
    pub fn delivered_to_host(self, host: Option<Domain>) -> Self {
        Self {
            delivered_to_host: host,
            ..self
        }
    }

    fn trace(&self, delivery: &mut Delivery) -> Result<(), Failure> {
        let mail = Arc::clone(&delivery.mail);
        let head = mail.content.head(HEAD)?;
        let separate = !begins_with_header(&head);
        let trace = Trace::new(&mail.envelope, separate);
        let trace = trace.delivered_to_host(self.delivered_to_host.clone());
        let way = way(&trace, delivery, &mail, &head);
        // With one host for all, bob at one host and bob at another have the same Delivered-To.
        let is_loop = way.delivered && (way.original || self.delivered_to_host.is_none());
        let cause = if is_loop {
            "it was delivered here before".to_owned()
        } else if way.received > self.hops {
            format!("{} Received fields", way.received)
        } else {
            delivery.trace = Some(trace);
            return Ok(());
        };
        Err(Failure::new(reply::MAIL_LOOP, cause))
    }
}

/// Reads the header, and has old Return-Path fields left out.
fn way(trace: &Trace, delivery: &mut Delivery, mail: &Mail, head: &[u8]) -> Way {
    let mut way = Way::default();
    for field in Fields::of(head, head.len() < mail.content.len()) {
        let name = field.name(head);
        if name.eq_ignore_ascii_case(b"Received") {
            way.received += 1;
        } else if name.eq_ignore_ascii_case(b"Return-Path") {
            if delivery.omitted.len() < RETURN_PATHS {
                delivery.omitted.push(field.range);
            }
        } else if name.eq_ignore_ascii_case(b"Delivered-To") {
            way.delivered |= is_ours(trace, delivery.recipients(), field.value(head));
        } else if name.eq_ignore_ascii_case(b"X-Original-To") {
            way.original |= is_named(delivery.recipients(), field.value(head));
        }
    }
    way
}

/// Whether the Delivered-To of one of the mailboxes would say this.
fn is_ours(trace: &Trace, recipients: &[Recipient], address: &[u8]) -> bool {
    let mut destinations = recipients
        .iter()
        .flat_map(|recipient| &recipient.destinations);
    destinations.any(|ours| trace.delivered_to(ours).as_bytes() == address)
}

/// Whether the client named this address.
fn is_named(recipients: &[Recipient], address: &[u8]) -> bool {
    let mut paths = recipients.iter().map(|it| it.forward_path.to_string());
    paths.any(|path| path.as_bytes() == address)
}

impl Processor for Header {
    fn name(&self) -> &'static str {
        "Header"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move { self.trace(delivery).map(|()| Staged::Done) })
    }
}

#[cfg(test)]
mod tests;
