//! Without a Redis. What needs one is in `tests/stream`.

use super::appetite::Appetite;
use super::held::Held;
use crate::stream::Place;

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
        appetite.had([1000].into_iter());
    }
    assert_eq!(appetite.helping(&partitions, 32), (partitions.clone(), 2));
    assert_eq!(
        appetite.helping(&partitions, 3).0.len(),
        3,
        "no more than there is room for"
    );
    appetite.had([60 << 20].into_iter());
    assert_eq!(appetite.helping(&partitions, 32).0.len(), 1);
}

#[test]
fn what_fails_again_and_again_lets_nothing_new_in() {
    let held = Held::default();
    assert_eq!(held.room(4, 100), 4);
    for number in 0..5 {
        assert!(held.begin(place(number)));
        assert!(!held.begin(place(number)), "it is with a thread already");
        assert_eq!(held.attempt(&place(number)), 1);
        held.wait(&place(number), u64::from(number));
        held.went(false);
    }
    assert_eq!(held.room(4, 100), 0);
    assert_eq!(held.due(2, 100).len(), 3);
    assert!(held.begin(place(0)));
    assert_eq!(held.attempt(&place(0)), 2);
    held.went(true);
    held.end(&place(0));
    assert_eq!(held.room(4, 100), 4);
    assert_eq!(held.room(4, 4), 0, "too many wait");
    assert_eq!(held.places().len(), 4);
}
