//! Mail that arrives.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;

use super::{CRASHING, Nest, SMALL, Workings, count, deliver, is_root, stage};
use crate::maildir::{Durability, Owner, Quota};

#[test]
fn staged_is_nowhere_and_committed_arrives() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    let mut staged = vec![stage(
        &store,
        &nest.at("example.org/jane"),
        "Subject: x\n\nwhole\n",
    )];
    assert_eq!(count(&nest.path("example.org/jane/tmp")), 0);
    store.commit(&mut staged).unwrap();
    nest.await_mail("example.org/jane", 1);
    assert_eq!(nest.mail("example.org/jane"), ["Subject: x\n\nwhole\n"]);
    let name = staged[0].name().to_string();
    let file = nest.path("example.org/jane/new").join(name);
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(nest.path(".journal")).unwrap().mode() & 0o7777,
        0o700
    );
}

#[test]
fn dropping_aborts() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    drop(stage(&store, &nest.at("jane"), "x"));
    store.close();
    assert_eq!(nest.mail("jane"), [""; 0]);
}

#[test]
fn closing_delivers_all() {
    // On an old kernel, too.
    for each in [true, false] {
        let nest = Nest::new();
        let store = nest.open(&Workings { each, ..SMALL });
        for number in 0..100 {
            deliver(&store, &nest.at(&format!("box{}", number % 7)), "message");
        }
        store.close();
        let boxes = (0..7).map(|number| nest.mail(&format!("box{number}")).len());
        assert_eq!(boxes.sum::<usize>(), 100);
    }
}

#[test]
fn after_the_end_messages_go_another_way() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    let mut staged = vec![stage(&store, &nest.at("late"), "staged before")];
    store.close();
    store.commit(&mut staged).unwrap();
    deliver(&store, &nest.at("late"), "x");
    assert_eq!(nest.mail("late"), ["staged before", "x"]);
    drop(store);
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

#[test]
fn many_threads_many_messages_many_boxes() {
    let nest = Nest::new();
    let workings = Workings {
        layout: super::Layout {
            segments: 4,
            octets: 1 << 20,
        },
        ..SMALL
    };
    let store = nest.open(&workings);
    let text = |thread: usize, number: usize| {
        let length = (thread * 131 + number * 977) % 6000;
        format!("{thread:02} {number:03}\n{}", "body\n".repeat(length / 5))
    };
    thread::scope(|scope| {
        for thread in 0..64 {
            let (store, nest) = (&store, &nest);
            scope.spawn(move || {
                for number in 0..200 {
                    let location = nest.at(&format!("example.org/u{}", (thread + number) % 50));
                    deliver(store, &location, &text(thread, number));
                }
            });
        }
    });
    store.close();
    let mut expected: HashMap<String, Vec<String>> = HashMap::new();
    for (thread, number) in (0..64).flat_map(|thread| (0..200).map(move |it| (thread, it))) {
        let place = format!("example.org/u{}", (thread + number) % 50);
        expected
            .entry(place)
            .or_default()
            .push(text(thread, number));
    }
    for (place, mut texts) in expected {
        texts.sort();
        assert!(nest.mail(&place) == texts, "{place}");
        assert_eq!(count(&nest.path(&place).join("tmp")), 0);
    }
}

#[test]
fn the_log_goes_round() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    let body = "x".repeat(10_000);
    // 300 × 12 kB in 256 KiB.
    for number in 0..300 {
        deliver(&store, &nest.at("jane"), &format!("{number:03} {body}"));
    }
    store.close();
    assert_eq!(nest.mail("jane").len(), 300);
    let size: u64 = (0..4)
        .map(|it| fs::metadata(nest.segment(it)).unwrap().len())
        .sum();
    assert_eq!(size, 256 << 10);
}

#[test]
fn what_is_larger_than_a_segment_goes_another_way() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    let large = "large ".repeat(20_000);
    deliver(&store, &nest.at("jane"), &large);
    assert_eq!(nest.mail("jane"), [large]);
    // Together they are too large, and still all or none.
    let half = "half ".repeat(8_000);
    let other = half.replace('h', "H");
    let mut staged = vec![
        stage(&store, &nest.at("a"), &half),
        stage(&store, &nest.at("b"), &other),
    ];
    assert_eq!(count(&nest.path("a/tmp")), 0);
    store.commit(&mut staged).unwrap();
    assert_eq!((nest.mail("a"), nest.mail("b")), (vec![half], vec![other]));
}

#[test]
fn with_its_memory_full_messages_go_another_way() {
    let nest = Nest::new();
    let store = nest.open(&Workings {
        memory: 1000,
        ..CRASHING
    });
    deliver(&store, &nest.at("jane"), &"x".repeat(900));
    assert_eq!(nest.mail("jane").len(), 0);
    deliver(&store, &nest.at("jane"), &"y".repeat(900));
    assert_eq!(nest.mail("jane").len(), 1);
    // Another copy takes no more.
    let copies = ["a", "b", "c"].map(|name| stage(&store, &nest.at(name), &"y".repeat(90)));
    assert_eq!(count(&nest.path("c/tmp")), 0);
    drop(copies);
}

#[test]
fn a_revoked_message_does_not_arrive() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    let mut staged = Vec::from(["a", "b"].map(|name| stage(&store, &nest.at(name), "text")));
    store.commit(&mut staged).unwrap();
    staged[0].revoke().unwrap();
    staged[0].revoke().unwrap();
    drop((staged, store));
    assert_eq!(nest.recover(&SMALL), (1, 0, false));
    assert_eq!((nest.mail("a").len(), nest.mail("b").len()), (0, 1));
}

#[test]
fn revoking_what_has_arrived_takes_it_back() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    for _ in 0..20 {
        let mut staged = vec![stage(&store, &nest.at("jane"), "text")];
        store.commit(&mut staged).unwrap();
        staged[0].revoke().unwrap();
    }
    let mut staged = vec![stage(&store, &nest.at("jane"), "text")];
    store.commit(&mut staged).unwrap();
    nest.await_mail("jane", 1);
    staged[0].revoke().unwrap();
    drop(staged);
    store.close();
    assert_eq!(nest.mail("jane").len(), 0);
    drop(store);
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

#[test]
fn owners_and_modes_are_kept() {
    if !is_root() {
        return;
    }
    let nest = Nest::new();
    let mut location = nest.at("host/jane");
    location.owner = Some(Owner {
        uid: 4321,
        gid: 8765,
    });
    location.folder = Some("lists".to_string());
    let name = deliver(&nest.open(&CRASHING), &location, "x");
    assert_eq!(nest.recover(&SMALL), (1, 0, false));
    let file = nest.path("host/jane/.lists/new").join(name);
    let metadata = fs::metadata(file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4321, 8765));
}

#[test]
fn quotas_hold() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    let mut location = nest.at("jane");
    location.quota = Some(Quota {
        storage: Some(1000),
        messages: None,
    });
    for _ in 0..3 {
        deliver(&store, &location, &"x".repeat(300));
        nest.await_mail("jane", 1);
    }
    store.close();
    let message = crate::maildir::Message {
        parts: &[&[b'x'; 300]],
        stream: None,
        crlf_size: 300,
    };
    let error = store.stage(&location, &message).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::QuotaExceeded);
}

#[test]
fn without_the_word_there_is_no_log() {
    let nest = Nest::new();
    let (store, recovery) = nest.open_as(Durability::Full, &SMALL).unwrap();
    assert!(recovery.is_none());
    deliver(&store, &nest.at("jane"), "x");
    assert_eq!(nest.mail("jane").len(), 1);
    assert!(!nest.path(".journal").exists());
}
