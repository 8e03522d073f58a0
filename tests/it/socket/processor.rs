//! The world of the transcripts as a processor.

use std::sync::{Arc, Mutex};

use maiasaura::envelope::{Mail, Recipient, Transmission};
use maiasaura::failure::Failure;
use maiasaura::processor::{Commit, Delivery as Passing, Pending, Processor, Sender, Staged};

use crate::world::{self, Delivery};

/// Keeps what was delivered, and answers as the transcripts want.
#[derive(Clone, Default)]
pub struct World(pub Arc<Mutex<Vec<Taken>>>);

/// A message, and those of its recipients whose copy was committed.
pub struct Taken {
    mail: Arc<Mail>,
    recipients: Vec<Recipient>,
}

impl Processor for World {
    fn name(&self) -> &'static str {
        "World"
    }

    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        _: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        let verdict = world::verify(&recipient.forward_path);
        Box::pin(async move { Ok(verdict.map(drop)?) })
    }

    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, passing: &'a mut Passing) -> Pending<'a, Result<Staged, Failure>> {
        let mail = Arc::clone(&passing.mail);
        let recipients = passing.recipients().to_vec();
        Box::pin(async move {
            let refusals = recipients
                .iter()
                .map(|recipient| world::fate(&recipient.forward_path))
                .find(|fate| !fate.is_positive());
            match (mail.envelope.transmission, refusals) {
                (Transmission::Lmtp | Transmission::Utf8Lmtp, Some(refusal)) => Err(refusal.into()),
                _ => Ok(Staged::Until(Box::new(Copies {
                    taken: Some(Taken { mail, recipients }),
                    world: self.clone(),
                }))),
            }
        })
    }
}

struct Copies {
    taken: Option<Taken>,
    world: World,
}

impl Commit for Copies {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        let taken = self.taken.take().expect("it is committed once");
        let mut world = self.world.0.lock().expect("nobody panics with it");
        match world.last_mut() {
            Some(last) if Arc::ptr_eq(&last.mail, &taken.mail) => {
                last.recipients.extend(taken.recipients);
            }
            _ => world.push(taken),
        }
        Box::pin(async { Ok(()) })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

impl Taken {
    /// Equal recipients share a copy, and have each been told that it is there.
    pub fn delivery(self) -> Delivery {
        let envelope = &self.mail.envelope;
        let octets = self.mail.content.octets();
        let has_copy = |recipient: &&Recipient| {
            let mut copies = self.recipients.iter();
            copies.any(|copy| copy.destinations == recipient.destinations)
        };
        Delivery {
            reverse_path: envelope.reverse_path.clone(),
            recipients: envelope
                .recipients
                .iter()
                .filter(has_copy)
                .map(|recipient| recipient.forward_path.clone())
                .collect(),
            content: octets.expect("it is small").to_vec(),
        }
    }
}
