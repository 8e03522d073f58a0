//! `MailDir`: one copy for each Maildir the recipients lead to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use super::{Delivery, Pending, Processor, Sender, Staged, Text};
use crate::disks::Disks;
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
    single_instance: bool,
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
            single_instance: false,
        }
    }

    /// Lets copies share a file where owner and file system allow it. They then have the same trace
    /// fields, without `Delivered-To`.
    #[must_use]
    pub fn single_instance(self, single_instance: bool) -> Self {
        Self {
            single_instance,
            ..self
        }
    }

    /// Stages all copies, and says where they will be.
    fn stage_copies(&self, delivery: &Delivery) -> Result<HashMap<Location, PathBuf>, Failure> {
        let crlf = self.line_ends == LineEnds::Crlf || delivery.mail.envelope.binary;
        let text = Text::new(delivery, crlf)?;
        let addressees = self.addressees(delivery)?;
        let shared = self.single_instance && addressees.len() > 1;
        let mut staged: Vec<maildir::Staged> = Vec::with_capacity(addressees.len());
        let mut originals = Vec::new();
        let mut roots: Vec<&Arc<Path>> = Vec::new();
        for &(recipient, destination) in &addressees {
            let root = &destination.location.root;
            if !roots.contains(&root) {
                self.disks
                    .admit(root, |root| self.takers.store.probe(root))?;
                roots.push(root);
            }
            if let Some(link) = self.stage_link(destination, &staged, &originals)? {
                staged.push(link);
                continue;
            }
            if shared {
                originals.push(staged.len());
            }
            let fields = delivery.trace.as_ref().map(|trace| {
                if shared {
                    trace.shared_fields()
                } else {
                    trace.fields(recipient, destination)
                }
            });
            staged.push(self.stage_copy(&text, fields.unwrap_or_default(), destination)?);
        }
        let locations = addressees.iter().map(|(_, it)| &it.location);
        let mut stored = HashMap::new();
        for (location, copy) in locations.zip(staged) {
            let path = location.path().join("new").join(copy.name());
            stored.insert(location.clone(), path);
            delivery.files.add(&location.root, copy);
        }
        Ok(stored)
    }

    /// Who gets a copy: whoever is named twice gets one.
    fn addressees<'a>(
        &self,
        delivery: &'a Delivery,
    ) -> Result<Vec<(&'a Recipient, &'a Destination)>, Failure> {
        let mut addressees = Vec::new();
        let mut places = HashSet::new();
        for recipient in delivery.recipients() {
            for destination in &recipient.destinations {
                let taker = self.takers.find(destination)?;
                let refused = || Failure::new(reply::USER_UNKNOWN, no_maildir(destination));
                let destination = taker.ok_or_else(refused)?;
                if places.insert(&destination.location) {
                    addressees.push((recipient, destination));
                }
            }
        }
        Ok(addressees)
    }

    /// Another name for the file of one of the originals, if one of them can have it.
    fn stage_link(
        &self,
        destination: &Destination,
        staged: &[maildir::Staged],
        originals: &[usize],
    ) -> Result<Option<maildir::Staged>, Failure> {
        let location = &destination.location;
        for &original in originals {
            let link = self.takers.store.stage_link(location, &staged[original]);
            if let Some(link) = link.map_err(|error| self.undeliverable(destination, error))? {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    fn stage_copy(
        &self,
        text: &Text<'_>,
        mut fields: String,
        destination: &Destination,
    ) -> Result<maildir::Staged, Failure> {
        if text.crlf {
            fields = fields.replace('\n', "\r\n");
        }
        let mut parts = vec![fields.as_bytes()];
        parts.extend(&text.slices);
        let message = maildir::Message {
            parts: &parts,
            stream: text.stream(),
            crlf_size: text.crlf_size + maildir::crlf_size(fields.as_bytes()),
        };
        let staged = self.takers.store.stage(&destination.location, &message);
        staged.map_err(|error| self.undeliverable(destination, error))
    }

    fn undeliverable(&self, destination: &Destination, error: io::Error) -> Failure {
        let location = &destination.location;
        self.disks.failed([&location.root], &error);
        Failure {
            cause: Some(format!("{}: {error}", location.path().display())),
            ..Failure::from(error)
        }
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
        Box::pin(async move {
            delivery.stored = self.stage_copies(delivery)?;
            Ok(delivery
                .files
                .until_committed(&self.takers.store, &self.disks))
        })
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
