//! `MailDir`: one copy for each Maildir the recipients lead to.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Delivery, Pending, Processor, Sender, Staged};
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
    takers: Takers,
    line_ends: LineEnds,
}

impl MailDir {
    /// Delivers through `store`. Folders of subaddresses are made as long as
    /// a Maildir has fewer than `max_folders`.
    pub fn new(store: Arc<Store>, line_ends: LineEnds, max_folders: usize) -> Self {
        Self {
            takers: Takers { store, max_folders },
            line_ends,
        }
    }

    /// Stages all copies, and says where they will be.
    fn stage_copies(&self, delivery: &Delivery) -> Result<HashMap<Location, PathBuf>, Failure> {
        let text = self.text(delivery);
        let mut stored = HashMap::new();
        for recipient in delivery.recipients() {
            for destination in &recipient.destinations {
                let destination = self
                    .takers
                    .find(destination)?
                    .ok_or_else(|| Failure::new(reply::USER_UNKNOWN, no_maildir(destination)))?;
                // Whoever is named twice gets one copy.
                let location = &destination.location;
                if !stored.contains_key(location) {
                    let copy = self.stage_copy(&text, delivery, recipient, destination)?;
                    let path = location.path().join("new").join(copy.name());
                    stored.insert(location.clone(), path);
                    delivery.files.add(copy);
                }
            }
        }
        Ok(stored)
    }

    /// The content as all copies have it.
    fn text<'a>(&self, delivery: &'a Delivery) -> Text<'a> {
        let crlf = self.line_ends == LineEnds::Crlf || delivery.mail.envelope.binary;
        let pieces: Vec<_> = if crlf {
            delivery.content().collect()
        } else {
            delivery.text().collect()
        };
        let crlf_size = pieces.iter().map(|piece| maildir::crlf_size(piece)).sum();
        Text {
            pieces,
            crlf_size,
            crlf,
        }
    }

    fn stage_copy(
        &self,
        text: &Text<'_>,
        delivery: &Delivery,
        recipient: &Recipient,
        destination: &Destination,
    ) -> Result<maildir::Staged, Failure> {
        let trace = delivery.trace.as_ref();
        let mut fields =
            trace.map_or_else(String::new, |trace| trace.fields(recipient, destination));
        if text.crlf {
            fields = fields.replace('\n', "\r\n");
        }
        let mut parts = vec![fields.as_bytes()];
        parts.extend(&text.pieces);
        let message = maildir::Message {
            parts: &parts,
            crlf_size: text.crlf_size + maildir::crlf_size(fields.as_bytes()),
        };
        let location = &destination.location;
        self.takers
            .store
            .stage(location, &message)
            .map_err(|error| {
                let cause = format!("{}: {error}", location.path().display());
                Failure {
                    cause: Some(cause),
                    ..Failure::from(error)
                }
            })
    }
}

impl Processor for MailDir {
    fn name(&self) -> &'static str {
        "MailDir"
    }

    fn stores(&self) -> bool {
        true
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
                let takers = self.takers.clone();
                let wanted = destination.clone();
                let found =
                    smol::unblock(move || takers.find(&wanted).map(|taker| taker.is_some()))
                        .await?;
                if !found {
                    return Err(Failure::new(reply::USER_UNKNOWN, no_maildir(destination)));
                }
            }
            Ok(())
        })
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            delivery.stored = self.stage_copies(delivery)?;
            Ok(delivery.files.until_committed(&self.takers.store))
        })
    }

    /// What is promised is put where it belongs.
    fn shutdown(&self) -> Pending<'_, ()> {
        let store = Arc::clone(&self.takers.store);
        Box::pin(smol::unblock(move || store.close()))
    }
}

/// Finds who takes mail.
#[derive(Clone, Debug)]
struct Takers {
    store: Arc<Store>,
    max_folders: usize,
}

impl Takers {
    /// The first of a destination and its stand-ins that is there or may be made.
    fn find<'a>(&self, destination: &'a Destination) -> io::Result<Option<&'a Destination>> {
        let mut candidate = Some(destination);
        while let Some(destination) = candidate {
            if self.takes(destination)? {
                return Ok(Some(destination));
            }
            candidate = destination.otherwise.as_deref();
        }
        Ok(None)
    }

    fn takes(&self, destination: &Destination) -> io::Result<bool> {
        let location = &destination.location;
        match (&location.folder, &destination.otherwise) {
            (None, _) if location.create => Ok(true),
            // A folder is made only in a Maildir that takes mail itself, and not without
            // end: its name is the client's choice.
            (Some(_), Some(inbox)) if location.create && !self.store.exists(location)? => {
                Ok(self.takes(inbox)? && self.store.folders(location)? < self.max_folders)
            }
            _ => self.store.exists(location),
        }
    }
}

fn no_maildir(destination: &Destination) -> String {
    format!(
        "there is no Maildir {}",
        destination.location.path().display()
    )
}

/// Content with the line ends of its file.
struct Text<'a> {
    pieces: Vec<&'a [u8]>,
    crlf_size: u64,
    crlf: bool,
}
