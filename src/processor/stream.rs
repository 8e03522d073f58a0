//! `Stream`: the message goes to workers, through a stream of Redis.
//!
//! It is published when the delivery is committed: what was published is taken by a worker at once. Where
//! a later commit fails, what no worker has taken yet is withdrawn; what one has taken is known by its
//! key when the client sends the message again.

use std::fmt;

use super::{Commit, Delivery, Pending, Processor, Staged, keys};
use crate::failure::Failure;
use crate::spool::Slip;
use crate::stream::{Parcel, Placed, Sink};

/// Publishes each message to a stream of Redis, from which workers deliver it.
#[derive(Clone)]
pub struct Stream {
    sink: Sink,
    durable: bool,
}

/// Messages that are to be published, and where those are that were.
struct Publication {
    sink: Sink,
    parcels: Vec<(u16, Parcel)>,
    placed: Vec<Placed>,
}

impl Stream {
    /// Publishes there; `durable` says whether that counts as stored.
    pub fn new(sink: Sink, durable: bool) -> Self {
        Self { sink, durable }
    }

    /// One for each mailbox of each recipient.
    fn parcels(&self, delivery: &Delivery) -> Result<Vec<(u16, Parcel)>, Failure> {
        let keys = keys(delivery)?;
        let mut parcels = Vec::new();
        let indices = delivery.indices().zip(delivery.recipients());
        for ((index, recipient), key) in indices.zip(&*keys) {
            let content = delivery.whole(recipient)?;
            let several = recipient.destinations.len() > 1;
            for (number, destination) in recipient.destinations.iter().enumerate() {
                let mailbox = destination.mailbox.to_string();
                let envelope = &delivery.mail.envelope;
                let mut slip = Slip::new(self.name(), envelope, index, key.clone());
                let mut mark = key.clone();
                if several {
                    slip.id = format!("{}.{}", slip.id, number + 1);
                    // The order of mailboxes may change, their names not.
                    mark = format!("{key}:{mailbox}");
                }
                let partition = self.sink.partition(&mailbox);
                slip.mailboxes = vec![mailbox];
                slip.size = content.len() as u64;
                let content = content.clone();
                parcels.push((
                    partition,
                    Parcel {
                        slip,
                        mark,
                        content,
                    },
                ));
            }
        }
        Ok(parcels)
    }
}

impl Processor for Stream {
    fn name(&self) -> &'static str {
        "Stream"
    }

    /// Where it is said that Redis does.
    fn stores(&self) -> bool {
        self.durable
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let publication = Publication {
                sink: self.sink.clone(),
                parcels: self.parcels(delivery)?,
                placed: Vec::new(),
            };
            Ok(Staged::Until(Box::new(publication)))
        })
    }
}

impl Commit for Publication {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move { Ok(self.sink.publish(&self.parcels, &mut self.placed)?) })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move {
            if let Err(fault) = self.sink.withdraw(&self.placed) {
                log::warn!(fault:% = fault; "cannot withdraw what was published");
            }
        })
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream {{ {:?} }}", self.sink)
    }
}
