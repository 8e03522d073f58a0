//! Where receivers put mail.

use std::sync::Arc;

use super::entry::text;
use super::{Parcel, Settings};
use crate::redis::{Client, Command, Fault, Value, command};

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

    /// Adds a message to each of these partitions; says where they are when Redis, and as many replicas
    /// as are asked for, have them all.
    ///
    /// # Errors
    ///
    /// Some may be there all the same: their keys tell them from those of the next try.
    pub fn publish(&self, parcels: &[(u16, Parcel)]) -> Result<Vec<Placed>, Fault> {
        let add = |(partition, parcel): &(u16, Parcel)| {
            let added = parcel.add(&self.settings.mail(*partition));
            added.map_err(|error| Fault::Odd(error.to_string()))
        };
        let mut commands: Vec<Command> = parcels.iter().map(add).collect::<Result<_, _>>()?;
        commands.extend(self.wait());
        let mut answers = self.client.run(commands)?.into_iter();
        let placed = answers.by_ref().take(parcels.len()).zip(parcels);
        let placed = placed.map(|(id, (partition, _))| Placed {
            partition: *partition,
            id: text(id).unwrap_or_default(),
        });
        let placed = placed.collect();
        self.waited(answers.next())?;
        Ok(placed)
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

    /// What asks for replicas, or for a sync.
    fn wait(&self) -> Option<Command> {
        let (replicas, waitaof) = (self.settings.replicas, self.settings.waitaof);
        // Before the connection is given up for dead.
        let patience = self.client.settings().timeout.as_millis() / 2;
        let patience = u64::try_from(patience).unwrap_or(u64::MAX);
        let mut wait = command(if waitaof { "WAITAOF" } else { "WAIT" });
        if waitaof {
            wait.arg(1);
        }
        wait.arg(replicas).arg(patience);
        (replicas > 0 || waitaof).then_some(wait)
    }

    /// Whether there were enough.
    fn waited(&self, answer: Option<Value>) -> Result<(), Fault> {
        let wanted = i64::from(self.settings.replicas);
        let is_enough = match answer {
            None => true,
            Some(Value::Int(replicas)) => replicas >= wanted,
            Some(Value::Array(both)) => {
                matches!(both[..], [Value::Int(1..), Value::Int(replicas)] if replicas >= wanted)
            }
            Some(_) => false,
        };
        if is_enough {
            return Ok(());
        }
        let why = format!("fewer than {wanted} replicas have the message, or it is not synced");
        Err(Fault::Down(why))
    }
}
