//! Reading a log after a restart.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{Files, damaged};
use super::frame::{self, BLOCK_SIZE, Frame};
use super::record::{Entry, Record, decode};
use super::tail::{Number, Place, Tail};

/// What a log still holds.
#[derive(Debug)]
pub(super) struct Found {
    /// Entries to be delivered, in order.
    pub(super) entries: Vec<(Number, Place, Arc<Entry>)>,
    /// The first sequence number that no frame has.
    pub(super) next: u64,
    /// The last frame, if it came after the tail, and where it is.
    pub(super) last: Option<(Place, Vec<u8>)>,
    /// Whether the last frame was not written to its end, so that nothing in it was promised.
    pub(super) torn: bool,
}

/// Reads what is not delivered yet.
///
/// # Errors
///
/// `InvalidData` if a frame is damaged that is not the last one: the last can be what a crash has
/// left of a frame that was never promised.
pub(super) fn scan(files: &Files, root: &Arc<Path>, tail: &Tail) -> io::Result<Found> {
    let octets = files.read()?;
    let size = usize::try_from(files.size).unwrap_or(usize::MAX);
    let mut log = Log {
        files,
        root,
        segments: octets.chunks_exact(size).collect(),
        entries: Vec::new(),
        cancelled: HashSet::new(),
    };
    for (number, place) in &tail.waiting {
        log.read_one(*number, *place)?;
    }
    let (mut next, mut place, mut last) = (tail.sequence, tail.place, None);
    loop {
        let first = |segment| Place { segment, offset: 0 };
        let mut places = std::iter::once(place).chain((0..log.segments.len()).map(first));
        let found = places.find_map(|place| Some((place, log.frame(place, next)?)));
        let Some((found, frame)) = found else { break };
        log.read_all(found, &frame)?;
        next += 1;
        place = Place {
            segment: found.segment,
            offset: found.offset + frame::size(frame.records.len() as u64),
        };
        last = Some((found, frame.whole()));
    }
    let last = last.map(|(place, octets)| (place, log.segments[place.segment][octets].to_vec()));
    log.refuse_later(place, next)?;
    let torn = log.is_begun(place, next);
    let Log {
        entries, cancelled, ..
    } = log;
    let mut entries = entries;
    entries.retain(|(_, _, entry)| !cancelled.contains(&entry.name));
    Ok(Found {
        entries,
        next,
        last,
        torn,
    })
}

struct Log<'a> {
    files: &'a Files,
    root: &'a Arc<Path>,
    segments: Vec<&'a [u8]>,
    entries: Vec<(Number, Place, Arc<Entry>)>,
    cancelled: HashSet<String>,
}

impl Log<'_> {
    /// The frame `sequence` at a place, if it is there and whole.
    fn frame(&self, place: Place, sequence: u64) -> Option<Frame> {
        let segment = self.segments.get(place.segment)?;
        let offset = usize::try_from(place.offset).ok()?;
        frame::parse(segment, offset, &self.files.key).filter(|frame| frame.sequence == sequence)
    }

    /// The entries of a frame; a cancellation has none, but a number as well.
    fn records(&self, place: Place, frame: &Frame) -> io::Result<Vec<Record>> {
        let octets = &self.segments[place.segment][frame.records.clone()];
        decode(octets, self.root).ok_or_else(|| self.damaged(place))
    }

    fn read_all(&mut self, place: Place, frame: &Frame) -> io::Result<()> {
        let records = self.records(place, frame)?;
        let mut index = 0;
        for record in records {
            let count = record.count();
            match record {
                Record::Cancel(names) => self.cancelled.extend(names),
                Record::Deliver(entries) => {
                    for (entry, index) in entries.into_iter().zip(index..) {
                        let number = Number::new(frame.sequence, index);
                        self.entries.push((number, place, entry));
                    }
                }
            }
            index += count;
        }
        Ok(())
    }

    /// One entry of a frame from before the tail.
    fn read_one(&mut self, number: Number, place: Place) -> io::Result<()> {
        let frame = self.frame(place, number.sequence());
        let frame = frame.ok_or_else(|| self.damaged(place))?;
        let before = self.entries.len();
        self.read_all(place, &frame)?;
        let read = self.entries.split_off(before);
        let wanted = read.into_iter().filter(|(it, ..)| *it == number);
        self.entries.extend(wanted);
        Ok(())
    }

    /// A whole frame with a later number than the one that was looked for at `place` means that
    /// this one was whole once, too.
    fn refuse_later(&self, place: Place, next: u64) -> io::Result<()> {
        for (number, segment) in self.segments.iter().enumerate() {
            for offset in (0..segment.len()).step_by(BLOCK_SIZE) {
                let later = frame::parse(segment, offset, &self.files.key);
                if later.is_some_and(|later| later.sequence > next) {
                    let here = number == place.segment && offset as u64 > place.offset;
                    let start = Place {
                        segment: number,
                        offset: 0,
                    };
                    return Err(self.damaged(if here { place } else { start }));
                }
            }
        }
        Ok(())
    }

    fn is_begun(&self, place: Place, next: u64) -> bool {
        let begun = |segment: &[u8], offset| {
            frame::begun(segment, offset, &self.files.key).is_some_and(|it| it.0 == next)
        };
        let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
        let here = self.segments.get(place.segment);
        here.is_some_and(|segment| begun(segment, offset))
            || self.segments.iter().any(|it| begun(it, 0))
    }

    fn damaged(&self, place: Place) -> io::Error {
        damaged(&self.files.segment_path(place.segment), place.offset)
    }
}
