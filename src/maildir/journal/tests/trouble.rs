//! Disks that are full or broken, Maildirs that are gone, others who have the log.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::checkpoint::{Checkpointer, Way};
use super::super::record::Record;
use super::super::{Journal, JournalFailed, Recover, Recovery, Refusal, recover};
use super::{CRASHING, Nest, SMALL, Workings, count, deliver, shared, stage};
use crate::locks::lock;
use crate::maildir::handle::{STAND, open_root};
use crate::maildir::maildirs::Maildirs;
use crate::maildir::{Owner, Settings, Store};

#[test]
fn another_process_goes_another_way() {
    let nest = Nest::new();
    let first = nest.open(&CRASHING);
    let (second, recovery) = nest.try_open(&SMALL).unwrap();
    assert!(matches!(recovery, Some(Recovery::Busy)));
    deliver(&second, &nest.at("jane"), "x");
    assert_eq!(nest.mail("jane"), ["x"]);
    first.close();
    let (_third, recovery) = nest.try_open(&SMALL).unwrap();
    assert!(matches!(recovery, Some(Recovery::Ready { .. })));
}

#[test]
fn a_maildir_that_takes_nothing_holds_up_no_other() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    for name in ["good", "bad"] {
        deliver(&store, &nest.at(name), "first");
        nest.await_mail(name, 1);
    }
    let mut staged = vec![stage(&store, &nest.at("bad"), "second")];
    // Between the promise and the delivery; a file is in the way of root, too.
    let (bad, away) = (nest.path("bad"), nest.path("away"));
    fs::rename(&bad, &away).unwrap();
    fs::remove_dir_all(away.join("new")).unwrap();
    fs::write(&bad, "in the way").unwrap();
    store.commit(&mut staged).unwrap();
    for number in 0..50 {
        deliver(&store, &nest.at("good"), &format!("more {number}"));
    }
    nest.await_mail("good", 51);
    // Not even a crash makes it forgotten.
    drop(store);
    assert_eq!(nest.recover(&SMALL), (1, 1, false));
    let store = nest.open(&SMALL);
    fs::remove_file(&bad).unwrap();
    nest.await_mail("bad", 1);
    assert_eq!(nest.mail("bad"), ["second"]);
    store.close();
    drop(store);
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

#[test]
fn what_waits_stays_while_the_log_goes_round() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    let bad = nest.path("bad");
    let mut staged = vec![stage(&store, &nest.at("bad"), "kept")];
    fs::remove_dir_all(&bad).unwrap();
    fs::write(&bad, "in the way").unwrap();
    store.commit(&mut staged).unwrap();
    let body = "x".repeat(9_000);
    for number in 0..200 {
        deliver(&store, &nest.at("good"), &format!("{number:03} {body}"));
    }
    drop(store);
    assert_eq!(nest.recover(&SMALL), (1, 1, false));
    fs::remove_file(&bad).unwrap();
    assert_eq!(nest.recover(&SMALL), (1, 0, false));
    assert_eq!((nest.mail("bad").len(), nest.mail("good").len()), (1, 200));
}

#[test]
fn a_full_log_holds_nothing_up_for_long() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    let body = "x".repeat(9_000);
    for number in 0..40 {
        deliver(&store, &nest.at("jane"), &format!("{number:02} {body}"));
    }
    let beside = nest.mail("jane").len();
    assert!((10..30).contains(&beside), "{beside}");
    drop(store);
    assert_eq!(nest.recover(&SMALL), (40 - beside, 0, false));
    assert_eq!(nest.mail("jane").len(), 40);
}

#[test]
fn who_cannot_have_a_log_goes_another_way() {
    let nest = Nest::new();
    fs::write(nest.path(".journal"), "no folder").unwrap();
    let (store, recovery) = nest.try_open(&SMALL).unwrap();
    assert!(matches!(recovery, Some(Recovery::Unusable(_))));
    deliver(&store, &nest.at("jane"), "x");
    assert_eq!(nest.mail("jane").len(), 1);
    fs::remove_file(nest.path(".journal")).unwrap();
    // One that others can write to may hold anything.
    fs::create_dir(nest.path(".journal")).unwrap();
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(nest.path(".journal"), all).unwrap();
    let (_, recovery) = nest.try_open(&SMALL).unwrap();
    assert!(matches!(recovery, Some(Recovery::Unusable(_))));
}

#[test]
fn a_write_that_fails_ends_the_log() {
    let nest = Nest::new();
    let mut journal = open(&nest, &CRASHING);
    break_segments(&mut journal);
    let entry = |text: &str| {
        let message = crate::maildir::Message {
            parts: &[text.as_bytes()],
            stream: None,
            crlf_size: 1,
        };
        journal.entry(&nest.at("jane"), &message, text.to_string(), 0o600)
    };
    let (first, second) = (entry("first").unwrap(), entry("second").unwrap());
    match journal.append(vec![first]) {
        Err(Refusal::Unknown(error)) => {
            assert!(error.get_ref().unwrap().is::<JournalFailed>());
            assert!(
                error.to_string().contains("segment-0 cannot be written"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    // Nothing is tried again; what was staged goes another way, and so does all that follows.
    assert!(matches!(
        journal.append(vec![second]),
        Err(Refusal::Unwritten)
    ));
    assert!(entry("third").is_none());
    drop(journal);
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

#[test]
fn nobody_waits_for_a_log_that_has_failed() {
    let nest = Nest::new();
    let mut journal = open(&nest, &SMALL);
    break_segments(&mut journal);
    let refused = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let (journal, nest) = (&journal, &nest);
                scope.spawn(move || {
                    let message = crate::maildir::Message {
                        parts: &[b"x"],
                        stream: None,
                        crlf_size: 1,
                    };
                    let name = format!("{number}");
                    let entry = journal.entry(&nest.at("jane"), &message, name, 0o600);
                    entry.is_none_or(|entry| journal.append(vec![entry]).is_err())
                })
            })
            .collect();
        threads.into_iter().all(|thread| thread.join().unwrap())
    });
    assert!(refused);
}

#[test]
fn a_sync_that_fails_is_not_believed() {
    let nest = Nest::new();
    let mut journal = open(&nest, &CRASHING);
    let shared = Arc::get_mut(&mut journal.shared).unwrap();
    // With this descriptor one can only stand there.
    shared.files.root = open_root(nest.root.path(), STAND).unwrap();
    let names = ["a", "b", "c"].map(str::to_string);
    for name in &names {
        let message = crate::maildir::Message {
            parts: &[name.as_bytes()],
            stream: None,
            crlf_size: 1,
        };
        let entry = journal.entry(&nest.at("jane"), &message, name.clone(), 0o600);
        journal.append(vec![entry.unwrap()]).unwrap();
    }
    let shared = Arc::clone(&journal.shared);
    let maildirs = Arc::new(Maildirs::new(&Settings::default(), own()));
    let mut checkpointer = Checkpointer::new(shared, maildirs, own(), Way::Whole).unwrap();
    checkpointer.drain();
    assert_eq!(nest.mail("jane"), names);
    assert_eq!(count(&nest.path("jane/tmp")), 0);
    drop((checkpointer, journal));
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

fn own() -> Owner {
    Owner {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

/// A log without a store.
fn open(nest: &Nest, workings: &Workings) -> Journal {
    let own = own();
    let with = Recover {
        maildirs: &Arc::new(Maildirs::new(&Settings::default(), own)),
        own,
        workings,
        keep: true,
    };
    let (_, journal) = recover(&shared(nest.root.path()), &with).unwrap().unwrap();
    journal.unwrap()
}

/// Lets every write to the log fail.
fn break_segments(journal: &mut Journal) {
    // The checkpointer holds the other reference.
    journal.close();
    let shared = Arc::get_mut(&mut journal.shared).unwrap();
    shared.closing = false.into();
    for segment in &mut shared.files.segments {
        *segment = OwnedFd::from(File::open(Path::new("/dev/null")).unwrap());
    }
}

/// Else a disk that takes long to refuse each of many messages would keep the start from its end.
#[test]
fn a_start_tries_each_message_once() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    deliver(&store, &nest.at("jane"), "x");
    drop(store);
    fs::remove_dir_all(nest.path("jane")).unwrap();
    fs::write(nest.path("jane"), "in the way").unwrap();
    let at_once = Workings {
        retry: Duration::ZERO,
        ..CRASHING
    };
    assert_eq!(nest.recover(&at_once), (1, 1, false));
}

/// What a thread that panics leaves half-done keeps nobody waiting.
#[test]
fn a_log_with_a_fault_can_be_closed() {
    let nest = Nest::new();
    let journal = open(&nest, &SMALL);
    let record = [Record::Cancel(Vec::new())];
    lock(&journal.shared.desk).place(1, record.iter()).unwrap();
    journal.shared.fail("has met a fault".to_string());
    journal.close();
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

/// Else who has just seen that all is well, and is about to wait, would not hear of it.
#[test]
fn nobody_misses_that_a_log_fails() {
    let nest = Nest::new();
    let journal = open(&nest, &CRASHING);
    let desk = lock(&journal.shared.desk);
    let shared = &journal.shared;
    thread::scope(|scope| {
        let thread = scope.spawn(|| shared.fail("fails".to_string()));
        let deadline = Instant::now() + Duration::from_millis(100);
        while Instant::now() < deadline {
            assert!(shared.failed.get().is_none());
            thread::yield_now();
        }
        drop(desk);
        thread.join().unwrap();
    });
    assert!(shared.failed.get().is_some());
}

#[test]
fn a_missing_root_is_made_or_is_an_error_that_passes() {
    let nest = Nest::new();
    let root = shared(&nest.path("not/there"));
    for (require_root, there) in [(true, false), (false, true)] {
        let store = Store::new(Settings {
            durability: crate::maildir::Durability::Journal,
            require_root,
            ..Settings::default()
        });
        let recovered = store.recover_with(&[Arc::clone(&root)], &SMALL).unwrap();
        let ready = matches!(recovered[0].outcome, Recovery::Ready { .. });
        assert_eq!((ready, root.exists()), (there, there));
    }
}

#[test]
fn an_empty_queue_is_cheap_to_wait_for() {
    let nest = Nest::new();
    let store = nest.open(&SMALL);
    deliver(&store, &nest.at("jane"), "x");
    nest.await_mail("jane", 1);
    thread::sleep(Duration::from_millis(200));
    deliver(&store, &nest.at("jane"), "y");
    nest.await_mail("jane", 2);
}
