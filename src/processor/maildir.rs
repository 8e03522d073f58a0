//! `MailDir`: one copy for each Maildir the recipients lead to.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::{Commit, Delivery, Pending, Processor, Sender, Staged};
use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::maildir::{self, Location, Store};
use crate::smtp::reply;

/// Which line ends a message has in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// LF, as the tools of this machine expect.
    Lf,
    /// CRLF, as received.
    Crlf,
}

/// Delivers into Maildirs. Every file of a delivery is written and synced before
/// the first one is linked into its `new/`.
#[derive(Debug)]
pub struct MailDir {
    store: Arc<Store>,
    line_ends: LineEnds,
}

impl MailDir {
    /// Delivers through `store`.
    pub fn new(store: Arc<Store>, line_ends: LineEnds) -> Self {
        Self { store, line_ends }
    }

    fn stage_copies(&self, delivery: &Delivery) -> Result<Copies, Failure> {
        let crlf = self.line_ends == LineEnds::Crlf || delivery.mail.envelope.binary;
        let content: Vec<_> = delivery
            .content()
            .map(|piece| {
                if crlf {
                    Cow::Borrowed(piece)
                } else {
                    maildir::to_lf(piece)
                }
            })
            .collect();
        let crlf_size: u64 = content.iter().map(|piece| maildir::crlf_size(piece)).sum();
        let mut places = Vec::new();
        let mut staged = Vec::new();
        for recipient in &delivery.recipients {
            for destination in &recipient.destinations {
                let destination = taker(&self.store, destination)?
                    .ok_or_else(|| Failure::new(reply::USER_UNKNOWN, no_maildir(destination)))?;
                // Whoever is named twice gets one copy.
                if places.contains(&&destination.location) {
                    continue;
                }
                places.push(&destination.location);
                let fields = fields(delivery, recipient, destination, crlf);
                let mut parts = vec![fields.as_bytes()];
                parts.extend(content.iter().map(AsRef::as_ref));
                let crlf_size = crlf_size + maildir::crlf_size(fields.as_bytes());
                let message = maildir::Message {
                    parts: &parts,
                    crlf_size,
                };
                staged.push(self.stage_copy(&destination.location, &message)?);
            }
        }
        Ok(Copies {
            store: Arc::clone(&self.store),
            staged,
        })
    }

    fn stage_copy(
        &self,
        location: &Location,
        message: &maildir::Message<'_>,
    ) -> Result<maildir::Staged, Failure> {
        self.store.stage(location, message).map_err(|error| {
            let mut failure = Failure::from(error);
            let cause = failure.cause.unwrap_or_default();
            failure.cause = Some(format!("{}: {cause}", location.path().display()));
            failure
        })
    }
}

impl Processor for MailDir {
    fn name(&self) -> &'static str {
        "MailDir"
    }

    /// Refuses a recipient whose Maildir must exist and does not.
    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        _: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            for destination in &recipient.destinations {
                if destination.location.create {
                    continue;
                }
                let store = Arc::clone(&self.store);
                let wanted = destination.clone();
                let found =
                    smol::unblock(move || taker(&store, &wanted).map(|taker| taker.is_some()))
                        .await?;
                if !found {
                    return Err(Failure::new(reply::USER_UNKNOWN, no_maildir(destination)));
                }
            }
            Ok(())
        })
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move { Ok(Staged::Until(Box::new(self.stage_copies(delivery)?))) })
    }
}

/// The destination that takes the mail: the first of it and its stand-ins that
/// is there or may be made.
fn taker<'a>(store: &Store, destination: &'a Destination) -> io::Result<Option<&'a Destination>> {
    let mut candidate = Some(destination);
    while let Some(destination) = candidate {
        if destination.location.create || store.exists(&destination.location)? {
            return Ok(Some(destination));
        }
        candidate = destination.otherwise.as_deref();
    }
    Ok(None)
}

fn no_maildir(destination: &Destination) -> String {
    format!(
        "there is no Maildir {}",
        destination.location.path().display()
    )
}

fn fields(
    delivery: &Delivery,
    recipient: &Recipient,
    destination: &Destination,
    crlf: bool,
) -> String {
    let fields = delivery
        .trace
        .as_ref()
        .map(|trace| trace.fields(recipient, destination))
        .unwrap_or_default();
    if crlf {
        fields.replace('\n', "\r\n")
    } else {
        fields
    }
}

/// The copies of one message, written and not visible yet.
struct Copies {
    store: Arc<Store>,
    staged: Vec<maildir::Staged>,
}

impl Commit for Copies {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move { self.store.commit(&mut self.staged).map_err(Failure::from) })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move {
            for mut copy in self.staged.drain(..) {
                if let Err(error) = copy.revoke() {
                    log::error!(file = copy.name(), error:% = error; "could not take a copy back");
                }
            }
        })
    }
}
