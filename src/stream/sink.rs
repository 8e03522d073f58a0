//! Where receivers put mail.

use std::sync::Arc;

use super::entry::text;
use super::{Parcel, Settings};
use crate::redis::{Client, Command, Fault, Wait, command};

/// Where receivers put mail.
#[derive(Clone, Debug)]
pub struct Sink {
    client: Arc<Client>,
    settings: Settings,
}

/// Where an entry was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    partition: u16,
    id: String,
}

impl Sink {
    /// The streams of this Redis.
    pub fn new(client: Arc<Client>, settings: Settings) -> Self {
        Self { client, settings }
    }

    /// The partition of a mailbox.
    pub fn partition(&self, mailbox: &str) -> u16 {
        self.settings.partition(mailbox)
    }

    /// Adds a message to each of these partitions, and returns when Redis, and as many replicas as are
    /// asked for, have them all. `placed` is where they are, even when that is not enough.
    ///
    /// # Errors
    ///
    /// What is missing. Some may be there beside those in `placed`: their keys tell them from those of
    /// the next try.
    pub fn publish(
        &self,
        parcels: &[(u16, Parcel)],
        placed: &mut Vec<Placed>,
    ) -> Result<(), Fault> {
        let add = |(partition, parcel): &(u16, Parcel)| {
            let added = parcel.add(&self.settings.mail(*partition));
            added.map_err(|error| Fault::Odd(error.to_string()))
        };
        let commands: Vec<Command> = parcels.iter().map(add).collect::<Result<_, _>>()?;
        let wait = self.wait();
        let mut answers = self.client.exchange_and(commands, wait)?.into_iter();
        let mut fault = None;
        for ((partition, _), answer) in parcels.iter().zip(answers.by_ref()) {
            match (Fault::of(&answer), text(answer)) {
                (None, Some(id)) => placed.push(Placed {
                    partition: *partition,
                    id,
                }),
                (refused, _) => {
                    fault = fault
                        .or(refused)
                        .or(Some(Fault::Odd("XADD without a name".into())));
                }
            }
        }
        let answer = answers.next();
        let is_enough = |wait: Wait| answer.is_some_and(|answer| wait.is_enough(&answer));
        match fault {
            Some(fault) => Err(fault),
            None if wait.is_none_or(is_enough) => Ok(()),
            None => Err(self.too_few()),
        }
    }

    /// Takes it back. What a worker has read by then it may deliver all the same.
    pub fn withdraw(&self, placed: &[Placed]) -> Result<(), Fault> {
        let remove = |placed: &Placed| {
            let mut remove = command("XDEL");
            remove
                .arg(self.settings.mail(placed.partition))
                .arg(&placed.id);
            remove
        };
        self.client
            .run(placed.iter().map(remove).collect())
            .map(drop)
    }

    /// The replicas, or the sync, that are asked for.
    fn wait(&self) -> Option<Wait> {
        let (replicas, synced) = (self.settings.replicas, self.settings.waitaof);
        (replicas > 0 || synced).then_some(Wait { replicas, synced })
    }

    fn too_few(&self) -> Fault {
        let wanted = self.settings.replicas;
        Fault::Down(format!(
            "fewer than {wanted} replicas have the message, or it is not synced"
        ))
    }
}
