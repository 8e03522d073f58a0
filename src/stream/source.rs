//! Where workers take mail from.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{bury_unread, text};
use super::{Entry, Settings};
use crate::redis::{Client, Command, Fault, Value, command};

/// What a key says that is marked as done.
const DONE: &str = "done";
/// Entries that are looked for at once of those that a dead worker has left.
const TAKEN_OVER: usize = 16;

/// The streams, as one worker sees them.
#[derive(Clone, Debug)]
pub struct Source {
    client: Arc<Client>,
    settings: Settings,
    /// What it is called in the consumer group; each has another name.
    consumer: String,
}

/// Whether an entry may be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yes, by this worker.
    Ours,
    /// It was delivered before.
    Done,
    /// An entry with the same key is under way.
    Busy,
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

    /// Makes what is not there yet: the streams and their group.
    pub fn prepare(&self, partitions: &[u16]) -> Result<(), Fault> {
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
        let mut faults = faults.filter(|fault| !is_code(fault, "BUSYGROUP"));
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
                Some(error) if is_code(&error, "NOGROUP") => self.prepare(&[*partition])?,
                Some(error) => fault = Some(error),
            }
        }
        match fault {
            Some(fault) if entries.is_empty() => Err(fault),
            _ => Ok(entries),
        }
    }

    /// Takes over what another worker has taken, and not been heard of for so long; with how often
    /// each was taken.
    pub fn take_over(&self, partition: u16, after: Duration) -> Result<Vec<(Entry, u32)>, Fault> {
        let mail = self.settings.mail(partition);
        let mut claim = command("XAUTOCLAIM");
        claim
            .arg(&mail)
            .arg(&self.settings.group)
            .arg(&self.consumer);
        claim.arg(millis(after)).arg("0-0");
        claim.arg("COUNT").arg(TAKEN_OVER);
        let answer = match self.client.run(vec![claim]) {
            Err(fault) if is_code(&fault, "NOGROUP") => return Ok(Vec::new()),
            answer => answer?.into_iter().next(),
        };
        let Some(Value::Array(parts)) = answer else {
            return Ok(Vec::new());
        };
        let entries = parts
            .into_iter()
            .nth(1)
            .map(|list| entries(partition, list));
        let entries = entries.unwrap_or_default();
        let ask = |entry: &Entry| {
            let mut ask = command("XPENDING");
            ask.arg(&mail).arg(&self.settings.group);
            ask.arg(&entry.id).arg(&entry.id).arg(1);
            ask
        };
        let pending = self.client.run(entries.iter().map(ask).collect())?;
        let times = pending.into_iter().map(|answer| taken(&answer));
        Ok(entries.into_iter().zip(times).collect())
    }

    /// An entry that was taken before; none if it is gone.
    pub fn fetch(&self, place: &Place) -> Result<Option<Entry>, Fault> {
        let mut range = command("XRANGE");
        range
            .arg(self.settings.mail(place.0))
            .arg(&place.1)
            .arg(&place.1);
        let answer = self.client.run(vec![range])?.into_iter().next();
        let found = answer
            .map(|list| entries(place.0, list))
            .unwrap_or_default();
        Ok(found.into_iter().next())
    }

    /// Which of these may be delivered by us.
    pub fn claim(&self, entries: &[Entry]) -> Result<Vec<Claim>, Fault> {
        let mut commands = Vec::new();
        let key = |entry: &Entry| {
            let parcel = entry.parcel.as_ref().ok()?;
            Some(self.settings.mark(entry.partition, &parcel.mark))
        };
        for (entry, key) in entries
            .iter()
            .filter_map(|entry| Some((entry, key(entry)?)))
        {
            let mut set = command("SET");
            set.arg(&key).arg(&entry.id).arg("NX");
            set.arg("PX").arg(millis(self.settings.remember));
            let mut get = command("GET");
            get.arg(&key);
            commands.extend([set, get]);
        }
        let answers = self.client.run(commands)?;
        let mut known = answers
            .chunks(2)
            .map(|pair| pair.get(1).cloned().and_then(text));
        let verdict = |entry: &Entry| {
            // What cannot be read is nobody's else.
            if entry.parcel.is_err() {
                return Claim::Ours;
            }
            match known.next().flatten() {
                Some(id) if id == entry.id => Claim::Ours,
                Some(done) if done == DONE => Claim::Done,
                _ => Claim::Busy,
            }
        };
        Ok(entries.iter().map(verdict).collect())
    }

    /// Delivered: its key is remembered, and the entry removed.
    pub fn finish(&self, entry: &Entry) -> Result<(), Fault> {
        let mut commands = Vec::new();
        if let Ok(parcel) = &entry.parcel {
            let mut mark = command("SET");
            mark.arg(self.settings.mark(entry.partition, &parcel.mark));
            mark.arg(DONE).arg("PX").arg(millis(self.settings.remember));
            commands.push(mark);
        }
        commands.extend(self.removal(entry));
        self.client.run(commands).map(drop)
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

    /// Tells Redis that these are still ours.
    pub fn keep(&self, places: &[Place]) -> Result<(), Fault> {
        self.touch(places, Duration::ZERO)
    }

    /// Leaves them to others at once, who would take them over `after` so long.
    pub fn leave(&self, places: &[Place], after: Duration) -> Result<(), Fault> {
        self.touch(places, after)
    }

    fn touch(&self, places: &[Place], idle: Duration) -> Result<(), Fault> {
        let touch = |(partition, id): &Place| {
            let mut claim = command("XCLAIM");
            claim.arg(self.settings.mail(*partition));
            claim.arg(&self.settings.group).arg(&self.consumer);
            claim
                .arg(0)
                .arg(id)
                .arg("IDLE")
                .arg(millis(idle))
                .arg("JUSTID");
            claim
        };
        // Those that are gone, or a group that is, are no fault.
        self.client
            .exchange(places.iter().map(touch).collect())
            .map(drop)
    }

    /// Removes what was acknowledged and is still there, as after a crash between the two; and
    /// consumers that have nothing and were not heard of for so long.
    pub fn tidy(&self, partition: u16, after: Duration) -> Result<(), Fault> {
        let mail = self.settings.mail(partition);
        let mut groups = command("XINFO");
        groups.arg("GROUPS").arg(&mail);
        let mut pending = command("XPENDING");
        pending.arg(&mail).arg(&self.settings.group);
        let mut consumers = command("XINFO");
        consumers
            .arg("CONSUMERS")
            .arg(&mail)
            .arg(&self.settings.group);
        // In this order: what was given out before the first is acknowledged or pending at the second.
        let answers = self.client.run(vec![groups, pending, consumers])?;
        let [groups, pending, consumers] = <[Value; 3]>::try_from(answers).unwrap_or_default();
        let last = rows(groups)
            .find(|row| field(row, "name").as_ref() == Some(&self.settings.group))
            .and_then(|row| field(&row, "last-delivered-id"));
        let oldest = match pending {
            Value::Array(summary) => summary.into_iter().nth(1).and_then(text),
            _ => None,
        };
        let mut commands = Vec::new();
        if let Some(first) = oldest.or(last).filter(|id| id != "0-0") {
            let mut trim = command("XTRIM");
            trim.arg(&mail).arg("MINID").arg(first);
            commands.push(trim);
        }
        let after = u128::from(millis(after));
        for row in rows(consumers) {
            let number = |name| field(&row, name).and_then(|text| text.parse::<u128>().ok());
            let is_gone =
                number("pending") == Some(0) && number("idle").is_some_and(|idle| idle > after);
            if let Some(name) = field(&row, "name").filter(|_| is_gone) {
                let mut remove = command("XGROUP");
                remove.arg("DELCONSUMER").arg(&mail);
                remove.arg(&self.settings.group).arg(name);
                commands.push(remove);
            }
        }
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

/// How often an entry was taken: the last of `[[id, consumer, idle, times]]`.
fn taken(value: &Value) -> u32 {
    let Value::Array(rows) = value else {
        return 0;
    };
    match rows.first() {
        Some(Value::Array(row)) => match row.last() {
            Some(Value::Int(times)) => u32::try_from(*times).unwrap_or(u32::MAX),
            _ => 0,
        },
        _ => 0,
    }
}

/// Rows of `[name, value, ...]`.
fn rows(value: Value) -> impl Iterator<Item = Vec<Value>> {
    let rows = match value {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    };
    rows.into_iter().filter_map(|row| match row {
        Value::Array(row) => Some(row),
        _ => None,
    })
}

fn field(row: &[Value], name: &str) -> Option<String> {
    let mut pairs = row.chunks(2);
    let pair = pairs.find(|pair| pair.first().cloned().and_then(text).as_deref() == Some(name));
    pair?.get(1).cloned().and_then(text)
}

fn refused(value: &Value) -> Option<Fault> {
    match value {
        Value::ServerError(error) => Some(Fault::from(error)),
        _ => None,
    }
}

fn is_code(fault: &Fault, word: &str) -> bool {
    matches!(fault, Fault::Refused { code, .. } if code == word)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
