//! Whose entries are: Redis keeps who has taken which, when it was last heard of, and how often.

use std::time::Duration;

use super::Source;
use super::entry::text;
use super::source::{Place, is_code, millis, refused};
use crate::redis::{Command, Fault, Value, command};

/// Entries that are taken over at once, by name only.
const TAKEN_OVER: usize = 100;
/// What was heard of within this part of the time is another's for certain, or need not be told again.
const RECENT: u32 = 6;

/// What was taken over, and where the rest of the partition begins, if there may be more.
pub type TakenOver = (Vec<Place>, Option<String>);

impl Source {
    /// Takes over what another worker has taken, and not been heard of for so long: of one partition,
    /// as much of it from `from` on as Redis looks at in one go. How often it was taken is not counted.
    pub fn take_over(
        &self,
        partition: u16,
        from: &str,
        after: Duration,
    ) -> Result<TakenOver, Fault> {
        let mut claim = command("XAUTOCLAIM");
        claim
            .arg(self.settings.mail(partition))
            .arg(&self.settings.group)
            .arg(&self.consumer);
        claim.arg(millis(after)).arg(from);
        claim.arg("COUNT").arg(TAKEN_OVER).arg("JUSTID");
        let answer = match self.client.run(vec![claim]) {
            Err(fault) if is_code(&fault, "NOGROUP") => return Ok((Vec::new(), None)),
            // The other nodes are as well as ever.
            Err(Fault::Away(_)) => return Ok((Vec::new(), None)),
            answer => answer?.into_iter().next(),
        };
        let Some(Value::Array(parts)) = answer else {
            return Ok((Vec::new(), None));
        };
        let mut parts = parts.into_iter();
        let next = parts.next().and_then(text).filter(|next| next != START);
        let places = match parts.next() {
            Some(Value::Array(ids)) => ids.into_iter().filter_map(text),
            _ => return Ok((Vec::new(), next)),
        };
        Ok((places.map(|id| (partition, id)).collect(), next))
    }

    /// Has Redis count that workers have begun with it so often.
    pub fn count(&self, place: &Place, times: u32) -> Result<(), Fault> {
        let mut claim = self.touch(place, Duration::ZERO, Duration::ZERO);
        claim.arg("RETRYCOUNT").arg(times);
        self.client.run(vec![claim]).map(drop)
    }

    /// Tells Redis that these are still ours, which would be taken over `after` so long; says which are
    /// not, or are gone. With `times` it forgets how often workers have begun with them.
    pub fn keep(
        &self,
        places: &[Place],
        after: Duration,
        times: Option<u32>,
    ) -> Result<Vec<Place>, Fault> {
        let (ours, lost) = self.ours(places)?;
        // One that another takes over in between stays with it.
        let least = after / RECENT;
        let touch = |place: &Place| {
            let mut touch = self.touch(place, least, Duration::ZERO);
            if let Some(times) = times {
                touch.arg("RETRYCOUNT").arg(times);
            }
            touch
        };
        // Those that are gone, or a group that is, are no fault.
        self.client.exchange(ours.iter().map(touch).collect())?;
        Ok(lost)
    }

    /// Leaves them to others at once, who would take them over `after` so long. They have done no harm.
    pub fn leave(&self, places: &[Place], after: Duration) -> Result<(), Fault> {
        let (ours, _) = self.ours(places)?;
        let leave = |place: &Place| {
            let mut leave = self.touch(place, Duration::ZERO, after);
            leave.arg("RETRYCOUNT").arg(0);
            leave
        };
        self.client
            .exchange(ours.iter().map(leave).collect())
            .map(drop)
    }

    /// Which of these are ours, and which are not.
    fn ours(&self, places: &[Place]) -> Result<(Vec<Place>, Vec<Place>), Fault> {
        let ask = places.iter().map(|place| self.pending(place)).collect();
        let answers = self.client.exchange(ask)?;
        let (mut ours, mut lost) = (Vec::new(), Vec::new());
        for (place, answer) in places.iter().zip(&answers) {
            match refused(answer) {
                Some(fault) if !is_code(&fault, "NOGROUP") => return Err(fault),
                _ if taken(answer).is_some() => ours.push(place.clone()),
                _ => lost.push(place.clone()),
            }
        }
        Ok((ours, lost))
    }

    /// What asks whether it is ours; [`taken`] reads the answer.
    pub(super) fn pending(&self, (partition, id): &Place) -> Command {
        let mut pending = command("XPENDING");
        pending
            .arg(self.settings.mail(*partition))
            .arg(&self.settings.group);
        pending.arg(id).arg(id).arg(1).arg(&self.consumer);
        pending
    }

    /// What makes it ours, if its worker has not been heard of for `least`, as if we had last been heard
    /// of `idle` ago.
    fn touch(&self, (partition, id): &Place, least: Duration, idle: Duration) -> Command {
        let mut claim = command("XCLAIM");
        claim.arg(self.settings.mail(*partition));
        claim.arg(&self.settings.group).arg(&self.consumer);
        claim.arg(millis(least)).arg(id);
        claim.arg("IDLE").arg(millis(idle)).arg("JUSTID");
        claim
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
        let answers = match self.client.run(vec![groups, pending, consumers]) {
            Err(Fault::Away(_)) => return Ok(()),
            answers => answers?,
        };
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
}

/// Where a partition begins, and what Redis says after its end.
pub const START: &str = "0-0";

/// How often an entry was taken, if that is whose: the last of `[[id, consumer, idle, times]]`.
pub(super) fn taken(value: &Value) -> Option<u32> {
    let Value::Array(rows) = value else {
        return None;
    };
    match rows.first() {
        Some(Value::Array(row)) => match row.last() {
            Some(Value::Int(times)) => Some(u32::try_from(*times).unwrap_or(u32::MAX)),
            _ => None,
        },
        _ => None,
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
