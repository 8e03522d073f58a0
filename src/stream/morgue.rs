//! What a person may do about entries that nobody tries any more.

use std::sync::Arc;

use super::source::{Place, entries};
use super::{Entry, Settings};
use crate::redis::{Client, Fault, Value, command};

/// Entries that are read at once: there may be more than memory has room for.
const AT_ONCE: usize = 20;

/// The dead ones of all partitions.
#[derive(Clone, Debug)]
pub struct Morgue {
    client: Arc<Client>,
    settings: Settings,
}

/// How many entries a partition has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All that are not delivered.
    pub waiting: u64,
    /// Of these, those that a worker has taken.
    pub taken: u64,
    /// Those that nobody tries any more.
    pub dead: u64,
}

impl Morgue {
    /// That of the streams of this Redis.
    pub fn new(client: Arc<Client>, settings: Settings) -> Self {
        Self { client, settings }
    }

    /// How many entries each partition has.
    pub fn counts(&self) -> Result<Vec<Count>, Fault> {
        let count = |partition| {
            let (mail, dead) = (self.settings.mail(partition), self.settings.dead(partition));
            let [mut all, mut taken, mut buried] = ["XLEN", "XPENDING", "XLEN"].map(command);
            all.arg(&mail);
            taken.arg(&mail).arg(&self.settings.group);
            buried.arg(dead);
            let answers = self.client.exchange(vec![all, taken, buried])?;
            let away = |answer| Fault::of(answer).filter(|fault| matches!(fault, Fault::Away(_)));
            if let Some(fault) = answers.iter().find_map(away) {
                return Err(fault);
            }
            let number = |index: usize| match answers.get(index) {
                Some(Value::Int(number)) => u64::try_from(*number).unwrap_or_default(),
                // A summary; an error where there is no group yet.
                Some(Value::Array(summary)) => match summary.first() {
                    Some(Value::Int(number)) => u64::try_from(*number).unwrap_or_default(),
                    _ => 0,
                },
                _ => 0,
            };
            Ok(Count {
                waiting: number(0),
                taken: number(1),
                dead: number(2),
            })
        };
        (0..self.settings.partitions).map(count).collect()
    }

    /// Gives each dead one to `take`, the oldest first.
    pub fn each<E: From<Fault>>(
        &self,
        mut take: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        for partition in 0..self.settings.partitions {
            let mut from = "-".to_owned();
            loop {
                let mut range = command("XRANGE");
                range.arg(self.settings.dead(partition)).arg(&from).arg("+");
                range.arg("COUNT").arg(AT_ONCE);
                let answer = self.client.run(vec![range])?.into_iter().next();
                let found = entries(partition, answer.unwrap_or_default());
                let Some(last) = found.last() else {
                    break;
                };
                from = format!("({}", last.id);
                found.into_iter().try_for_each(&mut take)?;
            }
        }
        Ok(())
    }

    /// Puts it back into its stream; says whether it is a message at all.
    pub fn replay(&self, entry: &Entry) -> Result<bool, Fault> {
        let Ok(parcel) = &entry.parcel else {
            return Ok(false);
        };
        let add = parcel.add(&self.settings.mail(entry.partition));
        let add = add.map_err(|error| Fault::Odd(error.to_string()))?;
        // First, so that it is never nowhere; with the same key it is delivered once.
        self.client.run(vec![add])?;
        self.remove(&(entry.partition, entry.id.clone()))?;
        Ok(true)
    }

    /// Removes it for ever.
    pub fn remove(&self, place: &Place) -> Result<(), Fault> {
        let mut remove = command("XDEL");
        remove.arg(self.settings.dead(place.0)).arg(&place.1);
        self.client.run(vec![remove]).map(drop)
    }
}
