//! What is in the log, where, and what has become of it. Pure: no file, no lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::frame;
use super::record::{Entry, Record};
use super::tail::{self, Number, Place, Tail};
use crate::maildir::Location;

/// The accounts of a log.
#[derive(Debug)]
pub(super) struct Desk {
    /// Everything that must not be forgotten.
    entries: BTreeMap<Number, Kept>,
    /// What is to be delivered next, in order.
    queue: VecDeque<Number>,
    /// What could not be delivered, by the time of the next try.
    parked: BTreeSet<(Instant, Number)>,
    /// Entries with a trouble.
    troubled: usize,
    segments: Vec<Segment>,
    /// Octets of each segment.
    size: u64,
    /// Where the next frame goes, if its segment has room; nothing when no segment was free.
    place: Option<Place>,
    /// The sequence number of the next frame.
    next: u64,
    /// The frame that is on its way to the disk, which a crash may leave there or not.
    written: Option<(u64, Place)>,
    /// Whether something was delivered since the last tail.
    pub(super) changed: bool,
    /// Whether the last tail is not synced.
    pub(super) unsynced: bool,
}

#[derive(Debug)]
struct Kept {
    /// Nothing for a cancellation.
    entry: Option<Arc<Entry>>,
    place: Place,
    state: State,
    tries: u32,
    trouble: Option<Trouble>,
}

/// What keeps an entry from being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Something about its Maildir.
    Here,
    /// The disk is full, or the like.
    Everywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not durable yet, or a cancellation.
    Held,
    /// In the queue.
    Queued,
    /// Being delivered.
    Busy,
    /// Waiting for the next try.
    Parked(Instant),
}

#[derive(Clone, Debug, Default)]
struct Segment {
    /// Entries in it that must not be forgotten.
    live: usize,
    /// The sequence number of its last frame.
    last: u64,
    /// Whether the tail on the disk needs nothing in it.
    free: bool,
}

/// An entry to be delivered.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) number: Number,
    pub(super) entry: Arc<Entry>,
    /// How often it was tried in vain.
    pub(super) tries: u32,
}

/// What became of the wish to withdraw an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawal {
    /// It will not be delivered.
    Held,
    /// It is being delivered right now.
    Busy,
    /// It is delivered.
    TooLate,
}

/// A tail to be written, and what may be overwritten when it is on the disk.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) tail: Tail,
    free: Vec<usize>,
}

impl Snapshot {
    /// Whether this tail makes room.
    pub(super) fn frees(&self) -> bool {
        !self.free.is_empty()
    }
}

impl Desk {
    /// The accounts of a log of `segments`, where the frame `next` is the next one and `found` is
    /// still to be delivered. Nothing may be overwritten before the first tail is written.
    pub(super) fn new(
        segments: usize,
        size: u64,
        next: u64,
        found: Vec<(Number, Place, Arc<Entry>)>,
    ) -> Self {
        // Whatever is in a segment, it is from before. Only a tail that begins after all of that makes
        // room: with one that begins earlier, for there is too much to be delivered, all that
        // follows is read again, and no number may be missing.
        let segment = Segment {
            last: next.saturating_sub(1),
            ..Segment::default()
        };
        let mut desk = Self {
            entries: BTreeMap::new(),
            queue: VecDeque::new(),
            parked: BTreeSet::new(),
            troubled: 0,
            segments: vec![segment; segments],
            size,
            place: None,
            next,
            written: None,
            changed: true,
            unsynced: true,
        };
        for (number, place, entry) in found {
            desk.segments[place.segment].live += 1;
            desk.queue.push_back(number);
            // It may have been delivered before, which every try but the first finds out.
            let kept = Kept {
                entry: Some(entry),
                place,
                state: State::Queued,
                tries: 1,
                trouble: None,
            };
            desk.entries.insert(number, kept);
        }
        desk
    }

    /// Finds a place for a frame with these records, and keeps their entries. Nothing if there is
    /// no room. The next one comes when this one is [durable](Self::durable), or has
    /// [failed](Self::failed).
    pub(super) fn place<'a>(
        &mut self,
        octets: u64,
        records: impl Iterator<Item = &'a Record>,
    ) -> Option<(u64, Place)> {
        let size = frame::size(octets);
        let place = self.place.filter(|place| place.offset + size <= self.size);
        let place = place.or_else(|| {
            let segment = self.segments.iter().position(|segment| segment.free)?;
            Some(Place { segment, offset: 0 })
        })?;
        let sequence = self.next;
        self.next += 1;
        self.place = Some(Place {
            offset: place.offset + size,
            ..place
        });
        let segment = &mut self.segments[place.segment];
        segment.free = false;
        segment.last = sequence;
        let entries = records.flat_map(|record| match record {
            Record::Deliver(entries) => entries.iter().cloned().map(Some).collect(),
            Record::Cancel(_) => vec![None],
        });
        for (index, entry) in entries.enumerate() {
            segment.live += 1;
            let kept = Kept {
                entry,
                place,
                state: State::Held,
                tries: 0,
                trouble: None,
            };
            self.entries.insert(Number::new(sequence, index), kept);
        }
        self.written = Some((sequence, place));
        Some((sequence, place))
    }

    /// Entries that must not be forgotten.
    pub(super) fn kept(&self) -> usize {
        self.entries.len()
    }

    /// The frame is durable: its entries can be delivered.
    pub(super) fn durable(&mut self, sequence: u64) {
        self.written = None;
        for (number, kept) in self.entries.range_mut(frame_of(sequence)) {
            if kept.entry.is_some() {
                kept.state = State::Queued;
                self.queue.push_back(*number);
            }
        }
    }

    /// The frame is not durable: its entries were not promised.
    pub(super) fn failed(&mut self, sequence: u64) {
        self.written = None;
        let numbers: Vec<_> = self
            .entries
            .range(frame_of(sequence))
            .map(|it| *it.0)
            .collect();
        for number in numbers {
            self.finish(number);
        }
    }

    /// Up to `most` entries that are due.
    pub(super) fn take(&mut self, most: usize, now: Instant) -> Vec<Item> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let due = self.parked.first().copied();
            let number = match due {
                Some((at, number)) if at <= now => {
                    self.parked.remove(&(at, number));
                    number
                }
                _ => match self.queue.pop_front() {
                    Some(number) => number,
                    None => break,
                },
            };
            // What was withdrawn meanwhile is no longer queued.
            if let Some(kept) = self.entries.get_mut(&number)
                && kept.state != State::Held
                && let Some(entry) = &kept.entry
            {
                kept.state = State::Busy;
                taken.push(Item {
                    number,
                    entry: Arc::clone(entry),
                    tries: kept.tries,
                });
            }
        }
        taken
    }

    /// Forgets an entry.
    pub(super) fn finish(&mut self, number: Number) {
        if let Some(kept) = self.entries.remove(&number) {
            self.segments[kept.place.segment].live -= 1;
            self.troubled -= usize::from(kept.trouble.is_some());
            self.changed = true;
        }
    }

    /// Lets an entry wait for another try.
    pub(super) fn park(&mut self, number: Number, until: Instant, trouble: Trouble) {
        if let Some(kept) = self.entries.get_mut(&number) {
            self.troubled += usize::from(kept.trouble.replace(trouble).is_none());
            kept.state = State::Parked(until);
            kept.tries += 1;
            self.parked.insert((until, number));
        }
    }

    /// Takes an entry out of what is to be delivered, if that is still possible; it is kept until
    /// it is [finished](Self::finish).
    pub(super) fn withdraw(&mut self, number: Number) -> Withdrawal {
        let Some(kept) = self.entries.get_mut(&number) else {
            return Withdrawal::TooLate;
        };
        if kept.state == State::Busy {
            return Withdrawal::Busy;
        }
        if let State::Parked(until) = kept.state {
            self.parked.remove(&(until, number));
        }
        kept.state = State::Held;
        Withdrawal::Held
    }

    /// Whether what is for `location` could wait long in the log. The sender shall rather hear at
    /// once what is wrong.
    pub(super) fn is_troubled(&self, location: &Location) -> bool {
        if self.troubled == 0 {
            return false;
        }
        let entries = self.entries.values();
        let mut troubled = entries.filter_map(|kept| Some((kept.entry.as_ref()?, kept.trouble?)));
        troubled.any(|(entry, trouble)| {
            let other = &entry.location;
            trouble == Trouble::Everywhere
                || (&other.components, &other.folder) == (&location.components, &location.folder)
        })
    }

    /// Entries that wait for their first delivery.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Entries that were tried in vain, and when the next of them is due.
    pub(super) fn parked(&self) -> (usize, Option<Instant>) {
        (self.parked.len(), self.parked.first().map(|(at, _)| *at))
    }

    /// Whether something is being written or withdrawn at this moment.
    pub(super) fn is_in_use(&self) -> bool {
        self.entries.values().any(|kept| kept.state == State::Held)
    }

    /// What the tail says at this moment. It ends before a frame that is being written: what it
    /// calls waiting must be there after a crash.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.changed = false;
        let end = (self.next, self.place.unwrap_or_default());
        let next = self.written.unwrap_or(end);
        // What does not fit into a tail is read again from the log after a crash.
        let rest = self.entries.iter().nth(tail::ROOM);
        let rest = rest.map(|(number, kept)| (number.sequence(), kept.place));
        let (sequence, place) = rest.filter(|rest| rest.0 < next.0).unwrap_or(next);
        let waiting = self.entries.iter();
        let waiting = waiting.take_while(|(number, _)| number.sequence() < sequence);
        let tail = Tail {
            sequence,
            place,
            waiting: waiting
                .map(|(number, kept)| (*number, kept.place))
                .collect(),
        };
        let current = self.place.map(|place| place.segment);
        let frees = |(number, segment): &(usize, &Segment)| {
            !segment.free
                && segment.live == 0
                && segment.last < sequence
                && current != Some(*number)
        };
        let segments = self.segments.iter().enumerate();
        let free = segments.filter(frees).map(|(number, _)| number).collect();
        Snapshot { tail, free }
    }

    /// The tail is on the disk.
    pub(super) fn saved(&mut self, snapshot: &Snapshot) {
        for &number in &snapshot.free {
            self.segments[number].free = true;
        }
    }
}

fn frame_of(sequence: u64) -> std::ops::Range<Number> {
    Number::new(sequence, 0)..Number::new(sequence + 1, 0)
}
