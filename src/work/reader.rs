//! What comes in: new entries, those of dead workers, and those whose time has come again.

use std::time::{Duration, Instant};

use smol::channel::Sender;

use super::Worker;
use super::appetite::Appetite;
use super::hand::{SOON, id, now};
use crate::redis::Fault;
use crate::stream::{Claim, Entry, Place};

/// While nothing comes it looks again after a millisecond, then two, up to this.
const IDLE: Duration = Duration::from_millis(50);
/// While too much waits for anything new to be taken.
const GLANCE: Duration = Duration::from_millis(5);
/// While Redis does not answer.
const AWAY: Duration = Duration::from_millis(250);
/// Entries that wait, at most: some 200 octets each.
const WAITING: usize = 10_000;
/// Rounds of keeping after which streams are tidied.
const TIDY: u32 = 20;

/// When the next things are due that are done from time to time.
struct Rounds {
    keep: Instant,
    count: u32,
}

/// What a look has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Mail, which may not be all that there is.
    Some,
    Nothing,
    /// Nobody has looked: the threads have enough to do, or too much waits.
    NoRoom,
}

impl Worker {
    /// Works until it is told to stop.
    pub(super) fn read(&self, entries: &Sender<Entry>) {
        let mut appetite = Appetite::new(self.settings.message_size);
        let mut rounds = None;
        let mut pause = Duration::from_millis(1);
        while !self.stop.is_pulled() {
            match self.round(&mut rounds, &mut appetite, entries) {
                Ok(Found::Nothing) => {
                    self.stop.pause(pause);
                    pause = (pause * 2).min(IDLE);
                }
                Ok(found) => {
                    pause = Duration::from_millis(1);
                    if found == Found::NoRoom && !self.held.pause(self.most(), IDLE) {
                        self.stop.pause(GLANCE);
                    }
                }
                Err(fault) => {
                    log::debug!(fault:% = fault; "no mail can be taken");
                    self.stop.pause(AWAY);
                }
            }
        }
        entries.close();
    }

    /// Looks once at all that there may be.
    fn round(
        &self,
        rounds: &mut Option<Rounds>,
        appetite: &mut Appetite,
        entries: &Sender<Entry>,
    ) -> Result<Found, Fault> {
        let mut found = 0;
        let mut next = match rounds.take() {
            Some(rounds) => rounds,
            None => self.begin()?,
        };
        if Instant::now() >= next.keep {
            found += self.keep(&mut next, entries)?;
        }
        *rounds = Some(next);
        self.tell();
        for place in self.held.due(now(), self.settings.at_once) {
            found += self.again(&place, entries)?;
        }
        let room = self.held.room(self.most(), WAITING);
        if room == 0 {
            return Ok(Found::NoRoom);
        }
        let (partitions, count) = appetite.helping(&self.settings.partitions, room);
        let new = self.source.read(&partitions, count)?;
        appetite.had(new.iter().map(Entry::octets));
        found += new.len();
        self.accept(new, entries)?;
        Ok(if found > 0 {
            Found::Some
        } else {
            Found::Nothing
        })
    }

    /// With the threads, or on its way to them.
    fn most(&self) -> usize {
        self.settings.at_once * 2
    }

    fn begin(&self) -> Result<Rounds, Fault> {
        self.source.prepare(&self.settings.partitions)?;
        Ok(Rounds {
            keep: Instant::now(),
            count: 0,
        })
    }

    /// Says what is ours, and takes over what nobody says that of any more.
    fn keep(&self, rounds: &mut Rounds, entries: &Sender<Entry>) -> Result<usize, Fault> {
        self.source.keep(&self.held.places())?;
        let after = self.settings.take_over_after;
        let mut found = 0;
        for partition in &self.settings.partitions {
            for (entry, times) in self.source.take_over(*partition, after)? {
                let place = (entry.partition, entry.id.clone());
                if self.held.has(&place) {
                    continue;
                }
                found += 1;
                log::info!(id = id(&entry), partition = entry.partition, times = times; "taken over");
                if times > self.settings.take_overs {
                    let why = format!("{times} workers have taken it, and none has come to an end");
                    self.bury(&entry, &place, &why);
                } else {
                    self.accept(vec![entry], entries)?;
                }
            }
            if rounds.count.is_multiple_of(TIDY) {
                self.source.tidy(*partition, after * TIDY)?;
            }
        }
        rounds.count = rounds.count.wrapping_add(1);
        // What was left may be more than is looked for at once.
        let pause = if found > 0 { Duration::ZERO } else { after / 3 };
        rounds.keep = Instant::now() + pause;
        Ok(found)
    }

    /// Something that was put off.
    fn again(&self, place: &Place, entries: &Sender<Entry>) -> Result<usize, Fault> {
        match self.source.fetch(place)? {
            Some(entry) => self.accept(vec![entry], entries)?,
            // Somebody has removed it.
            None => self.held.end(place),
        }
        Ok(1)
    }

    /// Gives to the threads what may be delivered.
    fn accept(&self, new: Vec<Entry>, entries: &Sender<Entry>) -> Result<(), Fault> {
        if new.is_empty() {
            return Ok(());
        }
        let claims = self.source.claim(&new)?;
        for (entry, claim) in new.into_iter().zip(claims) {
            let place = (entry.partition, entry.id.clone());
            if !self.held.begin(place.clone()) {
                continue;
            }
            match claim {
                Claim::Ours => {
                    // Closed only by this thread.
                    let _ = entries.send_blocking(entry);
                }
                Claim::Done => {
                    log::info!(id = id(&entry), partition = entry.partition; "delivered before: dropped");
                    self.finish(&entry, &place);
                }
                Claim::Busy => self.held.wait(&place, now() + SOON),
            }
        }
        Ok(())
    }
}
