//! What comes in: new entries, those of dead workers, and those whose time has come again.

use std::time::{Duration, Instant};

use smol::channel::Sender;

use super::Worker;
use super::appetite::Appetite;
use super::hand::{SOON, id, now};
use super::legacy::Legacy;
use crate::locks::lock;
use crate::redis::Fault;
use crate::stream::{Claim, Entry, Fetched, Place};

/// While nothing comes it looks again after a millisecond, then two, up to this.
const IDLE: Duration = Duration::from_millis(50);
/// While too much waits for anything new to be taken.
const GLANCE: Duration = Duration::from_millis(5);
/// While Redis does not answer.
const AWAY: Duration = Duration::from_millis(250);
/// Entries that wait, at most: some 200 octets each.
pub(super) const WAITING: usize = 10_000;
/// What is due from time to time.
struct Rounds {
    is_prepared: bool,
    /// When Redis is next told what is ours.
    keep: Instant,
    legacy: Legacy,
    /// What Redis has refused, and was complained of.
    refused: Option<Fault>,
}

impl Rounds {
    /// A look has failed.
    fn stumble(&mut self, fault: &Fault, after: Duration) {
        if matches!(fault, Fault::Down(_) | Fault::Busy) {
            log::debug!(fault:% = fault; "no mail can be taken");
            // The others could not say what is theirs either.
            self.keep = Instant::now();
            self.legacy.rest(self.keep + after);
        } else if self.refused.as_ref() != Some(fault) {
            log::error!(fault:% = fault; "some mail cannot be taken, which is tried again");
            self.refused = Some(fault.clone());
        }
    }
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
        let mut rounds = Rounds {
            is_prepared: false,
            keep: Instant::now(),
            legacy: Legacy::new(Instant::now()),
            refused: None,
        };
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
                    rounds.stumble(&fault, self.settings.take_over_after);
                    self.stop.pause(AWAY);
                }
            }
        }
        entries.close();
    }

    /// Looks once at all that there may be.
    fn round(
        &self,
        rounds: &mut Rounds,
        appetite: &mut Appetite,
        entries: &Sender<Entry>,
    ) -> Result<Found, Fault> {
        if !rounds.is_prepared {
            match self.source.prepare(&self.settings.partitions) {
                // The others are there.
                Err(fault @ Fault::Refused { .. }) => {
                    rounds.stumble(&fault, self.settings.take_over_after);
                }
                prepared => prepared?,
            }
            rounds.is_prepared = true;
        }
        if Instant::now() >= rounds.keep {
            self.keep()?;
            rounds.keep = Instant::now() + self.settings.take_over_after / 3;
        }
        self.tell();
        let mut found = self.inherit(&mut rounds.legacy)?;
        for place in self.held.due(now(), self.held.free(self.most())) {
            found += 1;
            if let Err(fault) = self.again(&place, entries) {
                self.held.wait(&place, now() + SOON);
                return Err(fault);
            }
        }
        let room = self.held.room(self.most(), WAITING);
        if room == 0 {
            return Ok(Found::NoRoom);
        }
        found += self.take(room, appetite, entries)?;
        // Partitions that were not asked have as much as ever.
        let is_all = appetite.has_asked(self.settings.partitions.len());
        Ok(if found > 0 || !is_all {
            Found::Some
        } else {
            Found::Nothing
        })
    }

    /// With the threads, or on its way to them.
    pub(super) fn most(&self) -> usize {
        lock(&self.pace).most(self.held.ended(), Instant::now())
    }

    /// Takes what is new.
    fn take(
        &self,
        room: usize,
        appetite: &mut Appetite,
        entries: &Sender<Entry>,
    ) -> Result<usize, Fault> {
        let (partitions, count) = appetite.helping(&self.settings.partitions, room);
        let told = Instant::now();
        let new = self.source.read(&partitions, count)?;
        appetite.had(partitions.len(), new.iter().map(Entry::octets));
        let found = new.len();
        for entry in &new {
            self.held.take(place(entry), told, false);
        }
        self.accept(new, None, entries)?;
        Ok(found)
    }

    /// Says what is ours, and hears what is not any more.
    fn keep(&self) -> Result<(), Fault> {
        let (tried, untried) = self.held.waiting();
        // Nobody has died of what has come to an end.
        let all = [
            (tried, Some(0)),
            (untried, None),
            (self.held.others(), None),
        ];
        for (mut places, times) in all {
            places.sort();
            for places in places.chunk_by(|one, next| one.0 == next.0) {
                self.keep_in_one(places, times)?;
            }
        }
        Ok(())
    }

    /// The same for those of one partition. Where its node is away that is no fault of the others.
    fn keep_in_one(&self, places: &[Place], times: Option<u32>) -> Result<(), Fault> {
        let (told, after) = (Instant::now(), self.settings.take_over_after);
        match self.source.keep(places, after, times) {
            Ok(lost) => {
                self.held.told(places, told);
                self.held.lose(&lost);
            }
            Err(Fault::Away(_)) => {}
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Something that was put off, or left by another worker.
    fn again(&self, place: &Place, entries: &Sender<Entry>) -> Result<(), Fault> {
        let (entry, times) = match self.source.fetch(place) {
            Ok(Fetched::Ours(entry, times)) => (*entry, times),
            // Somebody has removed it, or taken it over.
            Ok(Fetched::Gone | Fetched::NotOurs) => {
                self.held.end(place);
                return Ok(());
            }
            // The other nodes are as well as ever.
            Err(Fault::Away(_)) => {
                self.held.wait(place, now() + SOON);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        if !self.held.is_inherited(place) {
            return self.accept(vec![entry], None, entries);
        }
        log::info!(id = id(&entry), partition = entry.partition, times = times; "taken over");
        if times > self.settings.take_overs {
            let why = format!("{times} workers have taken it, and none has come to an end");
            self.bury(&entry, place, &why);
            return Ok(());
        }
        self.accept(vec![entry], Some(times), entries)
    }

    /// Gives to the threads what may be delivered. `times` is how often other workers have begun with what
    /// they have left.
    fn accept(
        &self,
        new: Vec<Entry>,
        times: Option<u32>,
        entries: &Sender<Entry>,
    ) -> Result<(), Fault> {
        let begin = |entry: &Entry| self.held.begin(&place(entry));
        let new: Vec<Entry> = new.into_iter().filter(begin).collect();
        let claims = match self.claim(&new, times) {
            Ok(claims) => claims,
            Err(fault) => {
                for entry in &new {
                    self.held.wait(&place(entry), now() + SOON);
                }
                return Err(fault);
            }
        };
        for (entry, claim) in new.into_iter().zip(claims) {
            let place = place(&entry);
            match claim {
                Claim::Ours => {
                    self.held.begun(&place);
                    // Closed only by this thread; and there is room, as there is for those at work.
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

    /// Which may be delivered; where others have begun with them `times`, Redis counts this one, too.
    fn claim(&self, new: &[Entry], times: Option<u32>) -> Result<Vec<Claim>, Fault> {
        let claims = self.source.claim(new)?;
        if let Some(times) = times {
            let ours = new.iter().zip(&claims);
            for (entry, _) in ours.filter(|(_, claim)| **claim == Claim::Ours) {
                self.source.count(&place(entry), times.saturating_add(1))?;
            }
        }
        Ok(claims)
    }
}

fn place(entry: &Entry) -> Place {
    (entry.partition, entry.id.clone())
}
