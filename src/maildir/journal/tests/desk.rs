//! The accounts of a log.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::desk::{Desk, Trouble, Withdrawal};
use super::super::frame::BLOCK;
use super::super::record::{Entry, Record};
use super::super::tail::{Number, Place, ROOM, Tail};
use super::shared;
use crate::maildir::Location;

fn location(name: &str) -> Location {
    Location {
        root: shared(Path::new("/r")),
        components: vec![name.to_string()],
        folder: None,
        owner: None,
        create: true,
        quota: None,
    }
}

fn deliver() -> Record {
    Record::Deliver(vec![Arc::new(Entry {
        location: location("a"),
        mode: 0,
        name: String::new(),
        head: Vec::new(),
        body: Arc::default(),
    })])
}

/// A log of segments with two blocks each, ready for use.
fn desk(segments: usize) -> Desk {
    let mut desk = Desk::new(segments, 2 * BLOCK, 1, Vec::new());
    save(&mut desk);
    desk
}

fn save(desk: &mut Desk) {
    let snapshot = desk.snapshot();
    desk.saved(&snapshot);
}

/// Puts one entry into the log.
fn put(desk: &mut Desk) -> Option<(Number, Place)> {
    let (sequence, place) = desk.place(1, [deliver()].iter())?;
    desk.durable(sequence);
    Some((Number::new(sequence, 0), place))
}

#[test]
fn segments_are_used_again_only_after_a_tail() {
    let mut desk = desk(2);
    let put_four: Vec<_> = (0..4).map(|_| put(&mut desk).unwrap()).collect();
    assert!(put(&mut desk).is_none());
    desk.take(9, Instant::now());
    desk.finish(put_four[0].0);
    assert!(!desk.snapshot().frees());
    desk.finish(put_four[1].0);
    assert!(put(&mut desk).is_none());
    let snapshot = desk.snapshot();
    assert!(snapshot.frees());
    assert!(put(&mut desk).is_none());
    desk.saved(&snapshot);
    assert_eq!(put(&mut desk).unwrap().1, put_four[0].1);
}

#[test]
fn a_tail_says_what_is_waiting() {
    let mut desk = desk(2);
    let first = put(&mut desk).unwrap();
    let second = put(&mut desk).unwrap();
    let third = put(&mut desk).unwrap();
    desk.finish(second.0);
    let tail = desk.snapshot().tail;
    assert_eq!(tail.waiting, [first, third]);
    assert_eq!(tail.sequence, third.0.sequence() + 1);
}

#[test]
fn a_tail_with_too_many_waiting_begins_earlier() {
    let mut desk = desk(ROOM);
    let all: Vec<_> = (0..ROOM + 9).map(|_| put(&mut desk).unwrap()).collect();
    let tail = desk.snapshot().tail;
    assert_eq!(tail.waiting, all[..ROOM]);
    assert_eq!(
        (tail.sequence, tail.place),
        (all[ROOM].0.sequence(), all[ROOM].1)
    );
    // What is behind it may not be overwritten, even if it is done.
    let last = all[ROOM + 4..].iter();
    last.for_each(|(number, _)| desk.finish(*number));
    assert!(!desk.snapshot().frees());
}

/// After a restart all that is behind the beginning of the tail is read again, up to the number that is
/// left out: so nothing may be written before a tail begins after that.
#[test]
fn nothing_is_overwritten_while_too_much_was_found() {
    let place = |segment| Place { segment, offset: 0 };
    let found = |index| {
        let Record::Deliver(entries) = deliver() else {
            unreachable!()
        };
        (Number::new(1, index), place(0), Arc::clone(&entries[0]))
    };
    let mut desk = Desk::new(3, 2 * BLOCK, 9, (0..=ROOM).map(found).collect());
    let snapshot = desk.snapshot();
    assert_eq!((snapshot.tail.sequence, snapshot.tail.place), (1, place(0)));
    assert!(!snapshot.frees());
    desk.saved(&snapshot);
    assert!(put(&mut desk).is_none());
    desk.finish(Number::new(1, 0));
    let snapshot = desk.snapshot();
    assert_eq!(
        (snapshot.tail.sequence, snapshot.tail.waiting.len()),
        (9, ROOM)
    );
    assert!(snapshot.frees());
    desk.saved(&snapshot);
    assert_eq!(put(&mut desk).unwrap().1, place(1));
}

/// After a crash such a frame may not be there, and nothing in it was promised.
#[test]
fn a_tail_does_not_count_on_a_frame_that_is_being_written() {
    let mut desk = desk(2);
    let first = put(&mut desk).unwrap();
    let (sequence, place) = desk.place(1, [deliver()].iter()).unwrap();
    let tail = desk.snapshot().tail;
    assert_eq!(tail.waiting, [first]);
    assert_eq!((tail.sequence, tail.place), (sequence, place));
    desk.durable(sequence);
    let second = (Number::new(sequence, 0), place);
    let tail = desk.snapshot().tail;
    assert_eq!(tail.waiting, [first, second]);
    assert_eq!(tail.sequence, sequence + 1);
}

/// What its tail needs stays, even if nothing else is in its segment.
#[test]
fn a_segment_with_a_frame_that_is_being_written_is_not_free() {
    let mut desk = desk(3);
    let first = put(&mut desk).unwrap();
    let second = put(&mut desk).unwrap();
    let (sequence, place) = desk.place(1, [deliver()].iter()).unwrap();
    desk.finish(first.0);
    desk.finish(second.0);
    let snapshot = desk.snapshot();
    assert!(snapshot.frees());
    assert_eq!(snapshot.tail.place, place);
    desk.saved(&snapshot);
    desk.durable(sequence);
    let third = put(&mut desk).unwrap();
    assert_eq!(third.1.segment, place.segment);
    assert_eq!(put(&mut desk).unwrap().1, first.1);
}

proptest! {
    /// Whenever a tail is taken: what is durable and not delivered is found again with it, and all
    /// that it counts on is durable.
    #[test]
    fn any_tail_finds_what_was_promised(steps in proptest::collection::vec((0..4_u8, 0..9_usize), 1..60)) {
        let mut desk = desk(3);
        let (mut promised, mut written) = (Vec::new(), None);
        for (step, which) in steps {
            match (step, written.take()) {
                (0, None) => written = desk.place(1, [deliver()].iter()),
                (0, Some((sequence, place))) => {
                    desk.durable(sequence);
                    promised.push((Number::new(sequence, 0), place));
                }
                (1, being) => {
                    written = being;
                    if !promised.is_empty() {
                        desk.finish(promised.remove(which % promised.len()).0);
                    }
                }
                (2, being) => {
                    written = being;
                    save(&mut desk);
                }
                (_, being) => {
                    written = being;
                    let Tail { sequence, waiting, .. } = desk.snapshot().tail;
                    let before = promised.iter().filter(|it| it.0.sequence() < sequence).copied();
                    prop_assert_eq!(waiting, before.collect::<Vec<_>>());
                    prop_assert!(written.is_none_or(|(being, _)| being >= sequence));
                }
            }
        }
    }
}

#[test]
fn what_is_parked_comes_back_when_it_is_time() {
    let mut desk = desk(2);
    let (number, _) = put(&mut desk).unwrap();
    let now = Instant::now();
    assert_eq!(desk.take(9, now).len(), 1);
    let later = now + Duration::from_secs(1);
    desk.park(number, later, Trouble::Here);
    assert_eq!(desk.parked(), (1, Some(later)));
    assert!(desk.take(9, now).is_empty());
    let taken = desk.take(9, later);
    assert_eq!((taken.len(), taken[0].tries), (1, 1));
    assert_eq!(desk.parked(), (0, None));
}

#[test]
fn withdrawn_is_not_delivered() {
    let mut desk = desk(2);
    let now = Instant::now();
    let [queued, parked, busy, done] = [(); 4].map(|()| put(&mut desk).unwrap().0);
    assert_eq!(desk.withdraw(queued), Withdrawal::Held);
    let taken = desk.take(9, now);
    assert_eq!(taken.len(), 3);
    desk.park(parked, now, Trouble::Here);
    desk.finish(done);
    assert_eq!(desk.withdraw(parked), Withdrawal::Held);
    assert_eq!(desk.withdraw(busy), Withdrawal::Busy);
    assert_eq!(desk.withdraw(done), Withdrawal::TooLate);
    assert!(desk.take(9, now).is_empty());
    assert!(desk.is_in_use());
}

#[test]
fn trouble_is_known_until_it_is_over() {
    for (trouble, other) in [(Trouble::Here, false), (Trouble::Everywhere, true)] {
        let mut desk = desk(2);
        let (number, _) = put(&mut desk).unwrap();
        let now = Instant::now();
        desk.take(9, now);
        assert!(!desk.is_troubled(&location("a")));
        desk.park(number, now, trouble);
        desk.take(9, now);
        assert!(desk.is_troubled(&location("a")));
        assert_eq!(desk.is_troubled(&location("b")), other);
        desk.finish(number);
        assert!(!desk.is_troubled(&location("a")));
    }
}
