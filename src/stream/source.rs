//! Where workers take mail from.

use std::sync::Arc;
use std::time::Duration;

use super::entry::bury_unread;
use super::pending::taken;
use super::{Entry, Settings};
use crate::redis::{Client, Command, Fault, Value, command};

/// The streams, as one worker sees them.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) client: Arc<Client>,
    pub(super) settings: Settings,
    /// What it is called in the consumer group; each has another name.
    pub(super) consumer: String,
}

/// What has become of an entry that was taken before.
#[derive(Debug)]
pub enum Fetched {
    /// It is still this worker's; with how often workers have begun with it.
    Ours(Box<Entry>, u32),
    /// Another worker has it by now, or nobody.
    NotOurs,
    /// It was removed.
    Gone,
}

/// An entry by its place.
pub type Place = (u16, String);

impl Source {
    /// The streams of this Redis, as the worker `consumer` sees them.
    pub fn new(client: Arc<Client>, settings: Settings, consumer: String) -> Self {
        Self {
            client,
            settings,
            consumer,
        }
    }

    /// What it has to agree on with receivers.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes what is not there yet: the streams and their group. While Redis is full it makes none, and
    /// says so even of a group that is there: [`Source::read`] knows better.
    pub fn prepare(&self, partitions: &[u16]) -> Result<(), Fault> {
        match self.create(partitions) {
            Err(fault) if fault.is_full() => Ok(()),
            created => created,
        }
    }

    fn create(&self, partitions: &[u16]) -> Result<(), Fault> {
        let create = |partition: &u16| {
            let mut create = command("XGROUP");
            create.arg("CREATE").arg(self.settings.mail(*partition));
            create.arg(&self.settings.group).arg(0).arg("MKSTREAM");
            create
        };
        let answers = self
            .client
            .exchange(partitions.iter().map(create).collect())?;
        let faults = answers.iter().filter_map(refused);
        // Those of a node that is away are made when they are read.
        let mut faults =
            faults.filter(|fault| !is_code(fault, "BUSYGROUP") && !matches!(fault, Fault::Away(_)));
        faults.next().map_or(Ok(()), Err)
    }

    /// Takes what is new, at most `count` of each partition.
    pub fn read(&self, partitions: &[u16], count: usize) -> Result<Vec<Entry>, Fault> {
        let read = |partition: &u16| {
            let mut read = self.grouped("XREADGROUP");
            read.arg("COUNT").arg(count).arg("STREAMS");
            read.arg(self.settings.mail(*partition)).arg(">");
            read
        };
        let answers = self
            .client
            .exchange(partitions.iter().map(read).collect())?;
        let mut entries = Vec::new();
        let mut fault = None;
        for (answer, partition) in answers.into_iter().zip(partitions) {
            match refused(&answer) {
                None => entries.extend(streams(*partition, answer)),
                // Somebody has emptied Redis, or it has lost its memory.
                Some(error) if is_code(&error, "NOGROUP") => {
                    // What came from the others is not to be lost for it.
                    fault = self.create(&[*partition]).err().or(fault);
                }
                // The other nodes are as well as ever.
                Some(Fault::Away(_)) => {}
                Some(error) => fault = Some(error),
            }
        }
        match fault {
            Some(fault) if entries.is_empty() => Err(fault),
            _ => Ok(entries),
        }
    }

    /// An entry that was taken before, if it is still there and ours.
    pub fn fetch(&self, place: &Place) -> Result<Fetched, Fault> {
        let (mail, id) = (self.settings.mail(place.0), &place.1);
        let mut range = command("XRANGE");
        range.arg(&mail).arg(id).arg(id);
        let pending = self.pending(place);
        let answers = self.client.exchange(vec![range, pending])?;
        let [range, pending] = <[Value; 2]>::try_from(answers).unwrap_or_default();
        if let Some(fault) = refused(&range) {
            return Err(fault);
        }
        let times = match refused(&pending) {
            Some(fault) if !is_code(&fault, "NOGROUP") => return Err(fault),
            _ => taken(&pending),
        };
        match (entries(place.0, range).into_iter().next(), times) {
            (Some(entry), Some(times)) => Ok(Fetched::Ours(Box::new(entry), times)),
            (Some(_), None) => Ok(Fetched::NotOurs),
            (None, _) => {
                let mut acknowledge = command("XACK");
                acknowledge.arg(mail).arg(&self.settings.group).arg(id);
                self.client.run(vec![acknowledge])?;
                Ok(Fetched::Gone)
            }
        }
    }

    /// Delivered: its key is remembered, and the entry removed; that even while Redis is full.
    pub fn finish(&self, entry: &Entry) -> Result<(), Fault> {
        let done = || self.done(entry).into_iter();
        let answers = self
            .client
            .exchange(done().chain(self.removal(entry)).collect())?;
        let mut faults = answers.iter().filter_map(refused);
        match faults.next() {
            // There may be room now.
            Some(fault) if fault.is_full() => self.client.exchange(done().collect()).map(drop),
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// Puts it among the dead ones, first; then it is removed, and may come again.
    pub fn bury(&self, entry: &Entry, why: &str) -> Result<(), Fault> {
        let dead = self.settings.dead(entry.partition);
        let bury = match &entry.parcel {
            Ok(parcel) => parcel.bury(&dead, &entry.id, why),
            Err(_) => Ok(bury_unread(&dead, &entry.id, why)),
        };
        let bury = bury.map_err(|error| Fault::Odd(error.to_string()))?;
        self.client.run(vec![bury])?;
        let mut commands = Vec::new();
        if let Ok(parcel) = &entry.parcel {
            let mut forget = command("DEL");
            forget.arg(self.settings.mark(entry.partition, &parcel.mark));
            commands.push(forget);
        }
        commands.extend(self.removal(entry));
        self.client.run(commands).map(drop)
    }

    fn removal(&self, entry: &Entry) -> [Command; 2] {
        let mail = self.settings.mail(entry.partition);
        let mut acknowledge = command("XACK");
        acknowledge
            .arg(&mail)
            .arg(&self.settings.group)
            .arg(&entry.id);
        let mut remove = command("XDEL");
        remove.arg(&mail).arg(&entry.id);
        [acknowledge, remove]
    }

    fn grouped(&self, name: &str) -> Command {
        let mut grouped = command(name);
        grouped
            .arg("GROUP")
            .arg(&self.settings.group)
            .arg(&self.consumer);
        grouped
    }
}

/// `[[stream, entries]]`, or nothing.
fn streams(partition: u16, value: Value) -> Vec<Entry> {
    let Value::Array(streams) = value else {
        return Vec::new();
    };
    let list = |stream| match stream {
        Value::Array(pair) => pair.into_iter().nth(1),
        _ => None,
    };
    let lists = streams.into_iter().filter_map(list);
    lists.flat_map(|list| entries(partition, list)).collect()
}

pub(super) fn entries(partition: u16, value: Value) -> Vec<Entry> {
    let Value::Array(entries) = value else {
        return Vec::new();
    };
    let read = |entry| Entry::read(partition, entry);
    entries.into_iter().filter_map(read).collect()
}

pub(super) fn refused(value: &Value) -> Option<Fault> {
    match value {
        Value::ServerError(error) => Some(Fault::from(error)),
        _ => None,
    }
}

pub(super) fn is_code(fault: &Fault, word: &str) -> bool {
    matches!(fault, Fault::Refused { code, .. } if code == word)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
