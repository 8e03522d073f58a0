//! Without a Redis. What needs one is in `tests/stream`.

use std::time::Duration;

use super::*;

fn settings(partitions: u16) -> Settings {
    Settings {
        prefix: "maiasaura".into(),
        partitions,
        group: "maiasaura".into(),
        replicas: 0,
        waitaof: false,
        remember: Duration::from_hours(1),
    }
}

#[test]
fn a_mailbox_has_one_partition_and_partitions_have_much_the_same() {
    let settings = settings(16);
    let mut counts = [0; 16];
    for number in 0..16_000 {
        let mailbox = format!("user{number}@example.org");
        let partition = settings.partition(&mailbox);
        assert_eq!(partition, settings.partition(&mailbox));
        counts[usize::from(partition)] += 1;
    }
    assert!(
        counts.iter().all(|count| (800..1200).contains(count)),
        "{counts:?}"
    );
    // Receivers and workers of other versions must find the same.
    assert_eq!(settings.partition("alice@example.org"), 7);
}

#[test]
fn keys_of_a_partition_share_a_hash_tag() {
    let settings = settings(16);
    assert_eq!(settings.mail(7), "maiasaura:{7}:mail");
    assert_eq!(settings.dead(7), "maiasaura:{7}:dead");
    assert_eq!(settings.mark(7, "abc"), "maiasaura:{7}:mark:abc");
}
