//! Schedule, breaker and agenda: their clock is handed in.

use std::time::Duration;

use super::super::agenda::Agenda;
use super::super::breaker::Breaker;
use super::*;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Some day in 2026, when the letter is put into the queue.
const START: u64 = 1_790_000_000_000;

#[test]
fn the_waits_grow() {
    let waits = [
        (1, 10 * SECOND),
        (2, 30 * SECOND),
        (3, MINUTE),
        (4, 2 * MINUTE),
        (5, 5 * MINUTE),
        (6, 15 * MINUTE),
        (7, 30 * MINUTE),
        (8, HOUR),
        (9, HOUR),
        (1000, HOUR),
        (u32::MAX, HOUR),
    ];
    let schedule = Schedule::default();
    for (attempts, wait) in waits {
        for name in ["a", "b", "c"] {
            let next = schedule.next(name, START, attempts, START, None).unwrap();
            let range = START + wait..=START + wait + wait / 10;
            assert!(range.contains(&next), "{attempts} {name}: {next}");
            assert_eq!(
                schedule.next(name, START, attempts, START, None),
                Some(next)
            );
        }
    }
    let times = ["a", "b", "c", "d"].map(|name| schedule.next(name, START, 8, START, None));
    assert!(times.iter().any(|time| *time != times[0]), "{times:?}");
}

#[test]
fn a_consumer_may_ask_for_another_wait() {
    let schedule = Schedule::default();
    for (attempts, asked, wait) in [
        (1, Duration::from_secs(100), 100 * SECOND),
        // Shorter ones, too, but never than the first.
        (8, Duration::from_secs(100), 100 * SECOND),
        (8, Duration::from_secs(5), 10 * SECOND),
        (8, Duration::ZERO, 10 * SECOND),
        (1, Duration::from_secs(5), 10 * SECOND),
        (1, Duration::from_hours(30 * 24), DAY),
        (1, Duration::MAX, DAY),
    ] {
        let next = schedule.next("a", START, attempts, START, Some(asked));
        let range = START + wait..=START + wait + wait / 10;
        assert!(range.contains(&next.unwrap()), "{asked:?}: {next:?}");
    }
}

#[test]
fn in_the_end_it_is_given_up() {
    let schedule = Schedule::default();
    let end = START + 3 * DAY;
    for (now, expected) in [
        (end - HOUR / 2, Some(end)),
        (end - 1, Some(end)),
        (end, None),
        (end + DAY, None),
        (u64::MAX, None),
    ] {
        assert_eq!(schedule.next("a", START, 80, now, None), expected, "{now}");
    }
    let next = schedule.next("a", START, 80, end - 2 * HOUR, None).unwrap();
    assert!(next < end);
    // Three days of failures.
    let (mut now, mut attempts) = (START, 1);
    while let Some(next) = schedule.next("a", START, attempts, now, None) {
        assert!(next > now);
        (now, attempts) = (next, attempts + 1);
    }
    assert_eq!(now, end);
    assert!((70..85).contains(&attempts), "{attempts}");
}

#[test]
fn a_consumer_that_is_down_is_left_alone() {
    let mut breaker = Breaker::new(3, Duration::from_secs(5));
    assert!(!breaker.failed(START) && !breaker.failed(START));
    assert_eq!(breaker.room(START, 4), 4);
    assert!(!breaker.answered());
    assert!(!breaker.failed(START) && !breaker.failed(START) && breaker.failed(START));
    let mut now = START;
    for pause in [1, 2, 4, 5, 5] {
        assert!(breaker.is_open());
        assert_eq!(breaker.until(), now + pause * SECOND);
        assert_eq!(breaker.room(breaker.until() - 1, 4), 0);
        assert_eq!(breaker.room(breaker.until(), 4), 1);
        // One that began before counts no more.
        assert!(!breaker.failed(now));
        assert_eq!(breaker.until(), now + pause * SECOND);
        now = breaker.until();
        assert!(!breaker.failed(now));
    }
    assert!(breaker.answered());
    assert_eq!((breaker.room(now, 4), breaker.until()), (4, 0));
    assert!(!breaker.failed(now));
    let mut never = Breaker::new(0, Duration::from_secs(5));
    assert!((0..100).all(|_| !never.failed(START)));
    assert_eq!(never.room(START, 4), 4);
}

/// All that is due, in order.
fn due(agenda: &mut Agenda, now: u64) -> Vec<(String, u32)> {
    std::iter::from_fn(|| agenda.next(now))
        .map(|(name, attempts)| (name.to_string(), attempts))
        .collect()
}

fn named(names: &[(&str, u32)]) -> Vec<(String, u32)> {
    let owned = names
        .iter()
        .map(|(name, attempts)| ((*name).into(), *attempts));
    owned.collect()
}

#[test]
fn letters_come_in_the_order_in_which_they_are_due() {
    let mut agenda = Agenda::default();
    for (name, due, attempts) in [("c", 30, 2), ("a", 10, 0), ("b", 20, 1), ("d", 40, 3)] {
        agenda.enter(name.into(), due, attempts);
    }
    assert_eq!(agenda.due(), Some(10));
    assert_eq!(due(&mut agenda, 9), []);
    assert_eq!(due(&mut agenda, 20), named(&[("a", 0), ("b", 1)]));
    assert_eq!(agenda.due(), Some(30));
    agenda.again("a".into(), 50, 1);
    agenda.forget("c");
    // What is under way is left alone, what waits is put elsewhere.
    agenda.enter("b".into(), State::NOW, 9);
    agenda.enter("d".into(), State::NOW, 3);
    assert_eq!(agenda.due(), Some(State::NOW));
    assert_eq!(due(&mut agenda, 100), named(&[("d", 3), ("a", 1)]));
    assert_eq!((agenda.due(), agenda.len()), (None, 3));
    agenda.retain(|name| name == "x");
    assert_eq!(agenda.len(), 3);
    agenda.again("b".into(), 60, 2);
    agenda.retain(|name| name == "x");
    assert_eq!((agenda.len(), agenda.due()), (2, None));
}

#[test]
fn an_agenda_has_room_for_a_hundred_thousand() {
    let mut agenda = Agenda::default();
    for number in 0..100_000_u64 {
        agenda.enter(format!("letter {number}").into(), START + number % 1000, 0);
    }
    let mut before = 0;
    for _ in 0..100_000 {
        let time = agenda.due().unwrap();
        assert!(time >= before);
        before = time;
        let (name, _) = agenda.next(time).unwrap();
        agenda.forget(&name);
    }
    assert_eq!((agenda.len(), agenda.due()), (0, None));
}
