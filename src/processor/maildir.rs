//! `MailDir`: one copy for each Maildir the recipients lead to.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use super::{Commit, Delivery, Pending, Processor, Sender, Staged};
use crate::disks::Disks;
use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::maildir::{self, Store};
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
    disks: Arc<Disks>,
}

impl MailDir {
    /// Delivers through `store`, onto `disks`. Folders of subaddresses are made
    /// as long as a Maildir has fewer than `max_folders`.
    pub fn new(
        store: Arc<Store>,
        disks: Arc<Disks>,
        line_ends: LineEnds,
        max_folders: usize,
    ) -> Self {
        Self {
            takers: Takers { store, max_folders },
            line_ends,
            disks,
        }
    }

    fn stage_copies(&self, delivery: &Delivery) -> Result<Copies, Failure> {
        let text = self.text(delivery);
        let mut staged = Vec::new();
        let mut places = HashSet::new();
        for recipient in delivery.recipients() {
            for destination in &recipient.destinations {
                let destination = self
                    .takers
                    .find(destination)?
                    .ok_or_else(|| Failure::new(reply::USER_UNKNOWN, no_maildir(destination)))?;
                // Whoever is named twice gets one copy.
                if places.insert(&destination.location) {
                    let probe = |root: &Path| self.takers.store.probe(root);
                    self.disks.admit(&destination.location.root, probe)?;
                    staged.push(self.stage_copy(&text, delivery, recipient, destination)?);
                }
            }
        }
        Ok(Copies {
            store: Arc::clone(&self.takers.store),
            disks: Arc::clone(&self.disks),
            roots: places.into_iter().map(|it| Arc::clone(&it.root)).collect(),
            staged,
        })
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
                self.disks.failed([&location.root], &error);
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
            self.disks.check(recipient)?;
            let wanted = |it: &&Destination| !it.location.create;
            let wanted = recipient.destinations.iter().filter(wanted);
            let wanted: Vec<_> = wanted.cloned().collect();
            if wanted.is_empty() {
                return Ok(());
            }
            let takers = self.takers.clone();
            let turn = self.disks.turn_aside(slice::from_ref(recipient)).await;
            smol::unblock(move || {
                let outcome = takers.find_all(&wanted);
                drop(turn);
                outcome
            })
            .await
        })
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move { Ok(Staged::Until(Box::new(self.stage_copies(delivery)?))) })
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
    fn find_all(&self, destinations: &[Destination]) -> Result<(), Failure> {
        for destination in destinations {
            self.find(destination)?
                .ok_or_else(|| Failure::new(reply::USER_UNKNOWN, no_maildir(destination)))?;
        }
        Ok(())
    }

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

/// The copies of one message, written and not visible yet.
struct Copies {
    store: Arc<Store>,
    disks: Arc<Disks>,
    roots: Vec<Arc<Path>>,
    staged: Vec<maildir::Staged>,
}

impl Commit for Copies {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.store.commit(&mut self.staged).map_err(|error| {
                self.disks.failed(&self.roots, &error);
                Failure::from(error)
            })
        })
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
