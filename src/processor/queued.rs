//! A letter for an application that gets it later: it waits in the spool.

use std::io;
use std::iter::successors;
use std::path::{PathBuf, absolute};
use std::sync::Arc;

use super::{Delivery, Pending, Processor, Staged, Text, keys};
use crate::disks::Disks;
use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::spool::{Queue, Slip};

/// Puts a letter for each recipient into the queue of a consumer, in one commit with the copies in
/// Maildirs: both are there, or neither. The application is not asked, so it may be down.
///
/// It belongs behind `MailDir`, so that the letter tells where the copy is, and behind `Header`.
#[derive(Clone, Debug)]
pub struct Queued {
    name: String,
    queue: Queue,
    disks: Arc<Disks>,
}

impl Queued {
    /// The processor `name`, which fills this queue, on one of `disks`.
    pub fn new(name: &str, queue: Queue, disks: Arc<Disks>) -> Self {
        Self {
            name: name.to_owned(),
            queue,
            disks,
        }
    }

    fn stage_letters(&self, delivery: &Delivery) -> Result<(), Failure> {
        let root = self.queue.root();
        self.disks
            .admit(root, |root| self.queue.store().probe(root))?;
        let envelope = &delivery.mail.envelope;
        let keys = keys(delivery)?;
        let text = Text::new(delivery, true)?;
        let indices = delivery.indices();
        for ((index, recipient), key) in indices.zip(delivery.recipients()).zip(&*keys) {
            let mut slip = Slip::new(self.queue.name(), envelope, index, key.clone());
            slip.files = copies(delivery, recipient);
            let trace = delivery.trace.as_ref().zip(recipient.destinations.first());
            let fields = trace.map(|(trace, first)| trace.fields(recipient, first));
            let fields = fields.unwrap_or_default().replace('\n', "\r\n");
            let mut pieces = vec![fields.as_bytes()];
            pieces.extend(&text.slices);
            let staged = self.queue.stage(slip, &pieces, text.stream());
            let staged = staged.map_err(|error| self.undeliverable(error))?;
            delivery.files.add(root, staged);
        }
        Ok(())
    }

    fn undeliverable(&self, error: io::Error) -> Failure {
        self.disks.failed([self.queue.root()], &error);
        let folder = self.queue.letters_folder();
        Failure {
            cause: Some(format!("{}: {error}", folder.display())),
            ..Failure::from(error)
        }
    }
}

/// Where the copies for a recipient will be: of a mailbox and its stand-ins one has a Maildir. Who
/// reads them was started in another folder, so the paths are absolute.
fn copies(delivery: &Delivery, recipient: &Recipient) -> Vec<PathBuf> {
    let find = |first: &Destination| {
        let mut stand_ins = successors(Some(first), |it| it.otherwise.as_deref());
        let stored = stand_ins.find_map(|it| delivery.stored.get(&it.location))?;
        Some(absolute(stored).unwrap_or_else(|_| stored.clone()))
    };
    recipient.destinations.iter().filter_map(find).collect()
}

impl Processor for Queued {
    fn name(&self) -> &str {
        &self.name
    }

    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            self.stage_letters(delivery)?;
            Ok(delivery
                .files
                .until_committed(self.queue.store(), &self.disks))
        })
    }
}
