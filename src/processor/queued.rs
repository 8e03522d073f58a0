//! A letter for an application that gets it later: it waits in the spool.

use super::{Delivery, Pending, Processor, Staged, digests};
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
}

impl Queued {
    /// The processor `name`, which fills this queue.
    pub fn new(name: &str, queue: Queue) -> Self {
        Self {
            name: name.to_owned(),
            queue,
        }
    }

    fn stage_letters(&self, delivery: &Delivery) -> Result<(), Failure> {
        let envelope = &delivery.mail.envelope;
        let made;
        let keys = if delivery.digests.is_empty() {
            made = digests(delivery);
            &made
        } else {
            &delivery.digests
        };
        let indices = delivery.indices();
        for ((index, recipient), key) in indices.zip(delivery.recipients()).zip(keys) {
            let mut slip = Slip::new(self.queue.name(), envelope, index, key.clone());
            let stored = delivery.stored.iter().filter(|(of, _)| *of == index);
            slip.files = stored.map(|(_, file)| file.clone()).collect();
            let trace = delivery.trace.as_ref().zip(recipient.destinations.first());
            let fields = trace.map(|(trace, first)| trace.fields(recipient, first));
            let fields = fields.unwrap_or_default().replace('\n', "\r\n");
            let mut pieces = vec![fields.as_bytes()];
            pieces.extend(delivery.content());
            let staged = self.queue.stage(slip, &pieces).map_err(|error| {
                let cause = format!("{}: {error}", self.queue.letters_folder().display());
                Failure {
                    cause: Some(cause),
                    ..Failure::from(error)
                }
            })?;
            delivery.files.add(staged);
        }
        Ok(())
    }
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
            Ok(delivery.files.until_committed(self.queue.store()))
        })
    }
}
