//! Without a Redis. What needs one is in `tests/stream`.

use std::time::{Duration, Instant};

use super::appetite::Appetite;
use super::held::Held;
use crate::stream::{Entry, Place};

fn place(number: u16) -> Place {
    (number, format!("{number}-0"))
}

#[test]
fn who_has_large_mail_takes_little_at_once() {
    let partitions: Vec<u16> = (0..8).collect();
    let mut appetite = Appetite::new(25_000_000);
    assert_eq!(appetite.helping(&partitions, 32), (vec![0, 1], 1));
    assert_eq!(appetite.helping(&partitions, 32), (vec![2, 3], 1));
    for _ in 0..20 {
        appetite.had(1, [1000].into_iter());
    }
    assert_eq!(appetite.helping(&partitions, 32), (partitions.clone(), 2));
    assert_eq!(
        appetite.helping(&partitions, 3).0.len(),
        3,
        "no more than there is room for"
    );
    appetite.had(8, [60 << 20].into_iter());
    assert_eq!(appetite.helping(&partitions, 32).0.len(), 1);
}

/// What is left in a few of many partitions is not waited for.
#[test]
fn nothing_is_there_only_when_all_were_asked() {
    let mut appetite = Appetite::new(1000);
    appetite.had(2, [1000].into_iter());
    appetite.had(3, std::iter::empty());
    assert!(!appetite.has_asked(4));
    appetite.had(1, std::iter::empty());
    assert!(appetite.has_asked(4));
    appetite.had(1, [1000].into_iter());
    assert!(!appetite.has_asked(4));
}

#[test]
fn what_fails_again_and_again_lets_nothing_new_in() {
    let held = Held::default();
    assert_eq!(held.room(4, 100), 4);
    for number in 0..5 {
        assert!(!held.begin(&place(number)), "it is not ours");
        assert!(held.take(place(number), Instant::now(), false));
        assert!(held.begin(&place(number)));
        assert!(!held.begin(&place(number)), "it is with a thread already");
        assert_eq!(held.attempt(&place(number)), 1);
        held.wait(&place(number), u64::from(number));
        held.went(false);
    }
    assert_eq!(held.room(4, 100), 0);
    assert_eq!(held.due(2, 100).len(), 3);
    assert!(held.begin(&place(0)));
    assert_eq!(held.attempt(&place(0)), 2);
    held.went(true);
    held.end(&place(0));
    assert_eq!(held.room(4, 100), 4);
    assert_eq!(held.room(4, 4), 0, "too many wait");
    assert_eq!(held.waiting().0.len(), 4);
}

#[test]
fn who_stops_leaves_to_others_what_waits_and_nothing_else() {
    let held = Held::default();
    for number in 0..4 {
        held.take(place(number), Instant::now(), true);
        assert!(held.begin(&place(number)));
    }
    held.attempt(&place(0));
    held.wait(&place(0), 0);
    held.wait(&place(1), 0);
    held.delivered(&Entry {
        partition: 2,
        id: place(2).1,
        parcel: Err("it is none".into()),
        why: None,
    });
    assert_eq!(held.waiting(), (vec![place(0)], vec![place(1)]));
    assert_eq!(held.others().len(), 2, "one is delivered, one at work");
    assert_eq!(held.free(4), 3);
}

/// Another worker may have it by now.
#[test]
fn what_redis_was_not_told_of_for_long_is_not_begun_unasked() {
    let (held, hour) = (Held::default(), Duration::from_hours(1));
    let long_ago = Instant::now().checked_sub(Duration::from_secs(1));
    for number in 0..3 {
        held.take(place(number), long_ago.expect("it runs for longer"), false);
    }
    assert!(held.is_told(&place(0), hour));
    assert!(!held.is_told(&place(0), Duration::from_millis(900)));
    held.told(&[place(0)], Instant::now());
    assert!(held.is_told(&place(0), hour));
    assert!(held.begin(&place(1)));
    held.lose(&[place(1), place(2)]);
    assert!(!held.is_told(&place(1), hour), "it is with a thread still");
    assert_eq!(held.waiting().1, vec![place(0)]);
    assert_eq!(held.others(), vec![place(1)]);
}
